import Glibc
import LinuxSystem
import SSHTunnel
import Testing

@Suite("Only public keys let us in, and a refusal says what was tried")
struct AuthenticationTests {
    @Test("A key that the server does not know is refused with the file and the way to add it")
    func wrongKey() throws {
        let server = try TestServer()
        try server.writeClientConfiguration(identity: "stranger")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .authentication)
        #expect(
            error?.detail.contains("\(server.folder)/stranger: the server does not take it") == true
        )
        #expect(error?.hint?.contains("ssh-copy-id -p \(server.port) ") == true)
    }

    @Test("Without agent and identity file the way to make a key is told")
    func nothing() throws {
        let server = try TestServer()
        try server.writeClientConfiguration(identity: "absent")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .authentication)
        #expect(error?.hint?.contains("ssh-keygen -t ed25519") == true)
    }

    @Test(
        "An encrypted key without an agent is named as such, and nobody is asked for a passphrase")
    func encrypted() throws {
        let server = try TestServer()
        try TestServer.makeKey(
            "\(server.folder)/locked", kind: "ed25519", passphrase: "correct horse")
        try server.writeClientConfiguration(identity: "locked")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .authentication)
        #expect(error?.detail.contains("\(server.folder)/locked: encrypted") == true)
        #expect(error?.hint?.contains("ssh-add") == true)
    }

    @Test("An encrypted key is used through the agent that holds it")
    func agent() throws {
        let server = try TestServer()
        try TestServer.makeKey("\(server.folder)/locked", kind: "ed25519", passphrase: "pass")
        try Files.replace(
            "\(server.folder)/authorized_keys", with: Files.read("\(server.folder)/locked.pub"))
        let socket = "\(server.folder)/agent.sock"
        let agent = try Child(["ssh-agent", "-D", "-a", socket])
        defer {
            agent.signal(SIGTERM)
            _ = try? agent.wait(milliseconds: 5000)
        }
        try Files.replace(
            "\(server.folder)/askpass", with: "#!/bin/sh\necho pass\n".utf8, mode: 0o700)
        let deadline = Clocks.monotonic() + 20
        while !Files.exists(socket), Clocks.monotonic() < deadline { Clocks.sleep(0.02) }
        let added = try Child.run(
            ["ssh-add", "\(server.folder)/locked"],
            environment: [
                "PATH=/usr/bin:/bin", "SSH_AUTH_SOCK=\(socket)",
                "SSH_ASKPASS=\(server.folder)/askpass",
                "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none",
            ])
        #expect(added.status.isSuccess)
        let config = String(decoding: try Files.read("\(server.folder)/config"), as: UTF8.self)
            .split(separator: "\n").filter {
                !$0.contains("IdentityAgent") && !$0.contains("IdentityFile")
            }
            .joined(separator: "\n")
        let lines = "\n    IdentityFile \(server.folder)/locked\n    IdentityAgent \(socket)\n"
        try Files.replace("\(server.folder)/config", with: (config + lines).utf8)
        let client = try server.connect()
        #expect(client.facts.identity == "agent")
        #expect(try client.run("echo in").text == "in")
    }

    @Test("A private key that others may read is not used")
    func loosePermissions() throws {
        let server = try TestServer()
        chmod("\(server.folder)/client", 0o644)
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .authentication)
        #expect(error?.hint?.contains("chmod 600") == true)
    }

    @Test("A damaged private key is told from a missing one")
    func damaged() throws {
        let server = try TestServer()
        try Files.replace("\(server.folder)/broken", with: "-----BEGIN nothing".utf8)
        try server.writeClientConfiguration(identity: "broken")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.detail.contains("\(server.folder)/broken: not a private key") == true)
    }

    @Test("Logging in writes nothing beside the private key")
    func leavesNoFile() throws {
        let server = try TestServer()
        try Files.remove("\(server.folder)/client.pub")
        let before = try Files.list(server.folder)
        #expect(try server.connect().facts.identity == "\(server.folder)/client")
        #expect(try Files.list(server.folder) == before)
    }

    @Test("Keys of every modern type let us in", arguments: ["ed25519", "ecdsa", "rsa"])
    func keyTypes(kind: String) throws {
        let server = try TestServer()
        try TestServer.makeKey("\(server.folder)/mine", kind: kind)
        try Files.replace(
            "\(server.folder)/authorized_keys", with: Files.read("\(server.folder)/mine.pub"))
        try server.writeClientConfiguration(identity: "mine")
        #expect(try server.connect().run("echo in").text == "in")
    }
}
