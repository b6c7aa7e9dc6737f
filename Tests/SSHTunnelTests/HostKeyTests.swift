import LinuxSystem
import SSHTunnel
import Testing

@Suite("A host key is known beforehand or the connection is refused")
struct HostKeyTests {
    @Test("An unknown key is refused with its fingerprint and both ways to make it known")
    func unknown() throws {
        let server = try TestServer()
        try server.writeClientConfiguration(knownHosts: "")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .unknownHostKey)
        let text = error?.description ?? ""
        #expect(text.contains(try server.fingerprint()))
        #expect(
            text.contains("ssh-keyscan -p \(server.port) 127.0.0.1 >> \(server.folder)/known_hosts")
        )
        #expect(text.contains("host_key: SHA256:"))
    }

    @Test("A missing known_hosts file is an empty one")
    func missingFile() throws {
        let server = try TestServer()
        try Files.remove("\(server.folder)/known_hosts")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .unknownHostKey)
    }

    @Test("What ssh-keyscan prints makes the host known, hashed names included")
    func keyscan() throws {
        let server = try TestServer()
        for options in [[], ["-H"]] {
            let scan = try Child.run(
                ["ssh-keyscan"] + options + ["-p", String(server.port), "127.0.0.1"])
            try server.writeClientConfiguration(knownHosts: scan.text + "\n")
            let client = try server.connect()
            #expect(client.facts.hostKeyFingerprint == (try server.fingerprint()))
            #expect(client.facts.hostKeySource.hasPrefix("\(server.folder)/known_hosts:"))
        }
    }

    @Test("A changed key is refused with both fingerprints")
    func changed() throws {
        let server = try TestServer()
        let stranger = String(
            decoding: try Files.read("\(server.folder)/stranger.pub"), as: UTF8.self)
        try server.writeClientConfiguration(knownHosts: "[127.0.0.1]:\(server.port) \(stranger)")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .changedHostKey)
        let text = error?.description ?? ""
        #expect(text.contains(try server.fingerprint()))
        #expect(text.contains(try server.fingerprint("stranger")))
        #expect(text.contains("ssh-keygen -R '[127.0.0.1]:\(server.port)'"))
    }

    @Test("A key of another type than the known one is a changed key")
    func otherType() throws {
        let server = try TestServer(hostKeys: ["ecdsa"])
        let stranger = String(
            decoding: try Files.read("\(server.folder)/stranger.pub"), as: UTF8.self)
        try server.writeClientConfiguration(knownHosts: "[127.0.0.1]:\(server.port) \(stranger)")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .changedHostKey)
    }

    @Test("A revoked key is refused even where another line trusts it")
    func revoked() throws {
        let server = try TestServer()
        let line = try server.knownHostsLine()
        try server.writeClientConfiguration(knownHosts: "\(line)@revoked \(line)")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .revokedHostKey)
    }

    @Test(
        "Lines that do not speak for this host leave it unknown",
        arguments: [
            "# KEY", "@cert-authority HOST KEY", "other.example KEY", "!HOST,* KEY", "*,!HOST KEY",
            "HOST ssh-ed25519 bm90IGEga2V5", "HOST ssh-ed25519", "HOST", "\u{0}\u{0}",
        ])
    func notForUs(line: String) throws {
        let server = try TestServer()
        let parts = try server.knownHostsLine().split(separator: " ")
        var text = ""
        for word in line.split(separator: " ") {
            let name = word.split(separator: ",").map { part in
                part == "HOST" ? String(parts[0]) : part == "!HOST" ? "!\(parts[0])" : String(part)
            }
            text += (word == "KEY" ? "\(parts[1]) \(parts[2])" : name.joined(separator: ",")) + " "
        }
        try server.writeClientConfiguration(knownHosts: text + "\n")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .unknownHostKey)
    }

    @Test(
        "Of several host keys, the one that known_hosts lists is asked for",
        arguments: ["rsa", "ecdsa", "ed25519"])
    func preference(kind: String) throws {
        let server = try TestServer(hostKeys: ["ed25519", "ecdsa", "rsa"])
        try server.writeClientConfiguration(knownHosts: server.knownHostsLine(kind))
        #expect(try server.connect().facts.hostKeyFingerprint == server.fingerprint("host_\(kind)"))
    }

    @Test(
        "A pinned key needs no known_hosts, whatever its type",
        arguments: ["rsa", "ecdsa", "ed25519"])
    func pinned(kind: String) throws {
        let server = try TestServer(hostKeys: ["ed25519", "ecdsa", "rsa"])
        try server.writeClientConfiguration(knownHosts: "")
        let fingerprint = try server.fingerprint("host_\(kind)")
        let facts = try server.connect(pin: fingerprint).facts
        #expect(facts.hostKeyFingerprint == fingerprint)
        #expect(facts.hostKeySource == "pinned")
    }

    @Test("A wrong pin refuses a key that known_hosts trusts, and names both")
    func wrongPin() throws {
        let server = try TestServer()
        let pin = try server.fingerprint("stranger")
        let error = #expect(throws: SSHError.self) { try server.connect(pin: pin) }
        #expect(error?.code == .changedHostKey)
        #expect(error?.description.contains(pin) == true)
        #expect(error?.description.contains(try server.fingerprint()) == true)
    }

    @Test(
        "A pin that is no SHA-256 fingerprint is refused before anything is sent",
        arguments: [
            "", "SHA256:", "MD5:00:11", "SHA256:short",
            "sha256:" + String(repeating: "A", count: 43),
            "SHA256:" + String(repeating: "*", count: 43),
            "SHA256:" + String(repeating: "A", count: 44),
        ])
    func malformedPin(pin: String) throws {
        let target = SSHTarget(
            host: "127.0.0.1", port: 1, configFile: "/dev/null", pinnedHostKey: pin)
        let error = #expect(throws: SSHError.self) { try SSHClient(target, timeout: 5) }
        #expect(error?.code == .configuration)
    }

    @Test("HostKeyAlias of ssh_config names the line in known_hosts")
    func alias() throws {
        let server = try TestServer()
        let key = try server.knownHostsLine().split(separator: " ").dropFirst().joined(
            separator: " ")
        try server.writeClientConfiguration(
            knownHosts: "gpu-host \(key)", extra: "HostKeyAlias gpu-host")
        #expect(try server.connect().run("echo in").text == "in")
    }
}
