import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Testing

@Suite(
    "Nothing that is killed, cut off or forged leaves a node without its last good state",
    .serialized, .enabled(if: LabConditions.isRoot))
struct ResilienceTests {
    /// Fewer rounds under emulation, where each takes ten times as long.
    private static let rounds = LabConditions.isUnderEmulation ? 4 : 20

    @Test("up killed at random moments converges when it is run again, and no key is lost")
    func killedUp() throws {
        let lab = try LabMesh("tkill", hosts: ["ant", "bee", "cat"])
        if LabConditions.isUnderEmulation {
            // So that the moments are not all before the first key is made.
            try lab.up()
        }
        var random = SeededRandom(seed: 7)
        var keys: [String: PublicKey] = [:]
        let longest = LabConditions.isUnderEmulation ? 20_000 : 4000
        for round in 0..<Self.rounds {
            // Each round wants something else of the nodes, so that there is always something to interrupt.
            try lab.write(tail: "# round \(round)\n", port: 51820 + round % 2)
            let up = try Child(lab.command(["--lab", "up", "--quiet", "--window", "5"]))
            let ended = try up.wait(milliseconds: Int32(random.next(below: longest)))
            if ended == nil {
                up.signal(SIGKILL)
                _ = try up.wait()
            }
            for (name, key) in try lab.privateKeyOwners() {
                if let former = keys[name] {
                    #expect(former == key, "\(name) lost its key in round \(round)")
                }
                keys[name] = key
            }
        }
        // Unconfirmed changes are taken back within their window; then one more run must settle everything.
        let last = try lab.up()
        #expect(last.isGood)
        #expect(try LabMesh.wait(30) { try lab.plan().status == .code(0) })
        #expect(keys.count == 3)
        for target in ["10.88.0.2", "10.88.0.3"] {
            #expect(try lab.on("ant", "ping", "-c", "1", "-W", "5", target).status.isSuccess)
        }
    }

    @Test("an agent killed at random moments drops no packet, and up brings it back with its state")
    func killedAgent() throws {
        let lab = try LabMesh("tagent", hosts: ["ant", "bee"])
        try lab.up()
        var random = SeededRandom(seed: 11)
        for round in 0..<Self.rounds {
            try lab.write(tail: "", port: 51820 + round % 2)
            let up = try Child(
                lab.command(["--lab", "up", "--quiet", "--window", "5", "--timeout", "5"]))
            Clocks.sleep(
                Double(random.next(below: LabConditions.isUnderEmulation ? 10_000 : 1500)) / 1000)
            _ = try lab.on("ant", "pkill", "-9", "-f", "node agent")
            // The data plane has outlived its agent.
            #expect(try lab.on("ant", "ip", "link", "show", "mp0-\(lab.mesh)").status.isSuccess)
            _ = try up.wait()
        }
        #expect(try LabMesh.wait(90) { try lab.meshproof("--lab", "up").status.isSuccess })
        #expect(try lab.plan().status == .code(0))
        #expect(try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2").status.isSuccess)
    }

    @Test("a dead agent interrupts no ping")
    func dataPlaneOutlivesAgent() throws {
        let lab = try LabMesh("tplane", hosts: ["ant", "bee"])
        try lab.up()
        _ = try lab.on("ant", "ping", "-c", "2", "-i", "0.2", "10.88.0.2")
        _ = try lab.on("ant", "pkill", "-9", "-f", "node agent")
        _ = try lab.on("bee", "pkill", "-9", "-f", "node agent")
        let ping = try lab.on("ant", "ping", "-c", "200", "-i", "0.01", "-q", "10.88.0.2")
        #expect(ping.text.contains(" 0% packet loss"), "\(ping.text)")
    }

    @Test(
        "a change that cuts the controller off is taken back by the nodes themselves, and up says so"
    )
    func rollsBack() throws {
        let lab = try LabMesh("troll", hosts: ["ant", "bee"])
        try lab.up()
        // An overlay that swallows the controller's own address: replies to it have nowhere to go.
        try lab.write(overlay: "198.51.100.128/25, fd88::/64")
        let (window, timeout) = LabConditions.isUnderEmulation ? ("40", "15") : ("8", "5")
        let result = try lab.meshproof(
            "--lab", "up", "--json", "--window", window, "--timeout", timeout)
        #expect(result.status == .code(1))
        let report = try lab.decode(UpReport.self, result)
        #expect(report.nodes.map(\.state) == [.rolledBack, .rolledBack], "\(result.text)")
        #expect(report.nodes.contains { $0.error?.contains("by itself") == true })
        try lab.write()
        #expect(try lab.plan().status == .code(0), "the nodes are as they were")
        #expect(try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2").status.isSuccess)
    }

    @Test("private keys are in no world-readable file, argument, environment or log")
    func secretsStaySecret() throws {
        let lab = try LabMesh("tsecret", hosts: ["ant", "bee"])
        let log = "\(lab.folder)/up.log"
        let up = try Child([
            "/bin/sh", "-c",
            "exec \(lab.command(["--lab", "up", "--json"]).joined(separator: " ")) > \(log) 2>&1",
        ])
        _ = try up.wait()
        var secrets: [String] = []
        for host in lab.hosts {
            let dump = try lab.on(host.name, "wg", "show", "mp0-\(lab.mesh)", "dump").text
            let lines = dump.split(separator: "\n").map {
                $0.split(separator: "\t").map(String.init)
            }
            secrets.append(try #require(lines.first?.first))
            secrets += lines.dropFirst().map { $0[1] }
        }
        #expect(Set(secrets).count == 3, "two private keys and one preshared key")
        let status = try lab.meshproof("--lab", "status", "--json").text
        let plan = try lab.meshproof("--lab", "plan", "--json").text
        let printed = String(decoding: try Files.read(log), as: UTF8.self) + status + plan
        for secret in secrets {
            let escaped = secret.replacing("/", with: "\\/")
            #expect(!printed.contains(secret) && !printed.contains(escaped), "a secret was printed")
            for host in lab.hosts {
                // World-readable files, logs, and every process's arguments and environment. The secret itself goes
                // in by standard input, so that looking for it does not put it where it is looked for.
                let found = try lab.on(
                    host.name, input: secret,
                    """
                    umask 077; cat > /run/needle
                    find /var/lib/meshproof /run/meshproof /run/wireguard /var/log /etc /usr/local/lib -xdev -type f \
                    -perm /077 -exec grep -laFf /run/needle {} + 2>/dev/null
                    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -Ff /run/needle
                    grep -aFf /run/needle /var/lib/meshproof/*/agent.log
                    rm /run/needle
                    """)
                #expect(found.text.isEmpty, "\(host.name): a secret lies open")
            }
            let onController = try Child.run(
                [
                    "/bin/sh", "-c",
                    "grep -rlaFf - \(lab.stateFolder) /run/meshproof-lab/\(lab.mesh)/ssh; true",
                ],
                input: Array(secret.utf8))
            #expect(onController.text == "", "in the controller's state in clear")
        }
        let modes = try lab.on(
            "ant", "sh", "-c", "find /var/lib/meshproof -type f -perm /077; true"
        ).text
        #expect(modes == "", "readable by others: \(modes)")
    }

    @Test("a second operator is told who is at work")
    func secondOperator() throws {
        let lab = try LabMesh("tsecond", hosts: ["ant"])
        try lab.up()
        guard let lock = try? FileLock(path: "\(lab.stateFolder)/lock") else {
            Issue.record("the lock is free once up has ended")
            return
        }
        let second = try lab.meshproof("--lab", "up")
        #expect(second.status == .code(1))
        #expect(
            second.errorText.contains("another meshproof (pid \(getpid()))"), "\(second.errorText)")
        _ = consume lock
    }
}

extension LabMesh {
    /// Each host's public key as its own private key file gives it, for those that have one.
    func privateKeyOwners() throws -> [(String, PublicKey)] {
        try hosts.compactMap { host in
            let key = try on(
                host.name, "sh", "-c",
                "wg pubkey < /var/lib/meshproof/\(mesh)/keys/wg-0.key 2>/dev/null; true"
            ).text
            return PublicKey(key).map { (host.name, $0) }
        }
    }
}

/// A small generator with a seed, so that a failing round can be run again.
struct SeededRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next(below bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
}
