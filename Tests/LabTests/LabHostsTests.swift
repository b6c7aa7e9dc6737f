import Glibc
import LinuxSystem
import MeshLab
import MeshModel
import Testing

@Suite(
    "A lab stands on this machine, works, and leaves nothing behind", .serialized,
    .enabled(if: Machine.isFit))
struct LabHostsTests {
    @Test(
        "Four hosts: log in to each, ping, ask a service over HTTP, and down leaves the machine as it was"
    )
    func wholeLife() throws {
        let before = Machine.now()
        let lab = try Machine.lab("labtest1", fourHosts)
        defer { _ = try? lab.down() }
        try lab.up()
        let status = lab.status()
        #expect(status.hosts.map(\.node) == ["edge", "gpu", "db", "cache"])
        #expect(status.isReady, "\(status)")
        for target in ["edge", "gpu", "198.51.100.13", "2001:db8::13", "cache.example.com"] {
            let answer = try ssh(lab, target, "hostname")
            #expect(answer.status.isSuccess, "\(target): \(answer.errorText)")
            #expect(answer.text == names[target])
        }
        for target in ["198.51.100.13", "2001:db8::13"] {
            let ping = try run(lab, "edge", ["ping", "-c", "1", "-W", "2", target])
            #expect(ping.status.isSuccess, "\(ping.text)")
        }
        let http = try run(
            lab, "edge", ["curl", "-s", "-m", "5", "http://198.51.100.12:11434/api/tags"])
        #expect(http.text == #"{"service":"ollama","kind":"ollama","stand_in":true}"#)
        let own = try run(lab, "db", ["curl", "-s", "-m", "5", "http://127.0.0.1:9000/"])
        #expect(own.text == "made by hand")
        let other = try run(lab, "edge", ["curl", "-s", "-m", "2", "http://198.51.100.13:6379/"])
        #expect(!other.status.isSuccess, "a service on loopback is not to be had from elsewhere")
        let removal = try lab.down()
        #expect(removal.isClean, "\(removal.left)")
        #expect(removal.removed.contains("host edge"))
        let again = try lab.down()
        #expect(again.removed.isEmpty && again.isClean)
        #expect(Machine.now() == before)
    }

    @Test(
        "Hosts keep their writes to themselves, and see neither the operator's keys nor each other's files"
    )
    func privacy() throws {
        let lab = try Machine.lab("labtest2", fourHosts)
        defer { _ = try? lab.down() }
        try lab.up()
        let write = """
            for d in /etc /var/lib /var/log /usr/local/lib /root /tmp /run /home; do
                echo secret >$d/meshproof-lab-test || exit 1
            done; rm /etc/hostname; ls -A /root/.ssh; test ! -e /run/systemd/system
            """
        let written = try run(lab, "edge", ["sh", "-c", write])
        #expect(written.status.isSuccess, "\(written.errorText)")
        #expect(written.text.isEmpty)
        let elsewhere = try run(
            lab, "gpu", ["sh", "-c", "cat /*/meshproof-lab-test /*/*/meshproof-lab-test"])
        #expect(elsewhere.text.isEmpty)
        for folder in [
            "/etc", "/var/lib", "/var/log", "/usr/local/lib", "/root", "/tmp", "/run", "/home",
        ] {
            #expect(!Files.exists("\(folder)/meshproof-lab-test"))
        }
        let processes = try run(
            lab, "edge", ["sh", "-c", "cat /proc/1/cmdline; ls /sys/class/net"])
        #expect(processes.text.contains("lab-host"))
        #expect(processes.text.hasSuffix("eth0\nlo"))
        let way = try run(lab, "edge", ["curl", "-s", "-m", "2", "http://192.0.2.1/"])
        #expect(!way.status.isSuccess)
    }

    @Test("Exit codes, input and output pass through exec")
    func exec() throws {
        let lab = try Machine.lab("labtest3", Array(fourHosts.prefix(1)))
        defer { _ = try? lab.down() }
        try lab.up()
        #expect(try run(lab, "edge", ["sh", "-c", "exit 7"]).status == .code(7))
        let echoed = try Child.run(
            try lab.arguments(for: ["cat"], in: "edge"), input: Array("through".utf8))
        #expect(echoed.text == "through")
        let lan = try run(lab, "lan", ["getent", "ahostsv4", "edge"])
        #expect(lan.text.hasPrefix("198.51.100.11"))
        #expect(throws: LabError.self) { try lab.arguments(for: ["true"], in: "nobody") }
    }

    @Test("Up again leaves hosts alone, mends a killed one, and follows the topology")
    func converges() throws {
        let lab = try Machine.lab("labtest4", fourHosts)
        defer { _ = try? lab.down() }
        try lab.up()
        let first = lab.status().hosts.map(\.pid)
        try lab.up()
        #expect(lab.status().hosts.map(\.pid) == first)
        let victim = try #require(first[1])
        kill(victim, SIGKILL)
        Machine.awaitEnd(victim)
        #expect(lab.status().hosts[1].pid == nil)
        try lab.up()
        #expect(lab.status().isReady)
        let second = lab.status().hosts
        #expect(second[0].pid == first[0] && second[2].pid == first[2])
        #expect(try ssh(lab, "gpu", "hostname").text == "gpu")
        let fewer = try Machine.lab("labtest4", Array(fourHosts.prefix(3)))
        try fewer.up()
        #expect(!Files.exists("/run/netns/mp-labtest4-cache"))
        let changed = try Machine.lab(
            "labtest4", Array(fourHosts.prefix(3)),
            services: [Service(name: "second", node: "edge", kind: "http", port: 8080)])
        try changed.up()
        let third = changed.status()
        #expect(third.isReady, "\(third)")
        #expect(
            third.hosts[0].pid == first[0], "a changed service is no reason to build a host anew")
    }

    @Test("A service that dies is started again")
    func restarts() throws {
        let lab = try Machine.lab("labtest5", Array(fourHosts.prefix(2)))
        defer { _ = try? lab.down() }
        try lab.up()
        let killed = try run(lab, "gpu", ["sh", "-c", "kill -9 $(pgrep -f '[l]ab-service')"])
        #expect(killed.status.isSuccess)
        try lab.up()
        let service = lab.status().hosts[1].services[0]
        #expect(service.restarts == 1 && service.listening, "\(service)")
    }

    @Test("Down ends what is left of a lab whose folder, namespaces or inits are partly gone")
    func halfGone() throws {
        let before = Machine.now()
        let lab = try Machine.lab("labtest6", fourHosts)
        defer { _ = try? lab.down() }
        try lab.up()
        let pids = lab.status().hosts.compactMap(\.pid)
        kill(pids[0], SIGKILL)
        _ = try Child.run(["ip", "netns", "del", "mp-labtest6-gpu"])
        _ = try Child.run(["umount", "-l", "/run/meshproof-lab/labtest6"])
        let removal = try lab.down()
        #expect(removal.isClean, "\(removal.left)")
        #expect(Machine.now() == before)
    }

    @Test("A service that cannot start is named with its log, and nothing half-made stays")
    func rollsBack() throws {
        let before = Machine.now()
        var topology = Machine.topology("labtest7", Array(fourHosts.prefix(2)))
        topology.lab["ollama"] = LabService(
            prepare: ["sh", "-c", "echo no such model >&2; exit 3"], run: ["sleep", "100"])
        let lab = try Lab(topology: topology, program: Machine.program)
        defer { _ = try? lab.down() }
        let error = #expect(throws: LabError.self) { try lab.up() }
        #expect(error?.code == .notReady)
        #expect(error?.subject == "ollama on gpu")
        #expect(error?.detail.contains("no such model") == true, "\(String(describing: error))")
        #expect(Machine.now() == before)
    }

    @Test("Two labs stand side by side, and one mesh's end is not the other's")
    func sideBySide() throws {
        let one = try Machine.lab("labtest8", fourHosts)
        let two = try Machine.lab("labtest8-b", fourHosts)
        defer {
            _ = try? one.down()
            _ = try? two.down()
        }
        try one.up()
        try two.up()
        #expect(try one.down().isClean)
        let status = two.status()
        #expect(status.isReady)
        #expect(try ssh(two, "edge", "hostname").text == "edge")
        #expect(try two.down().isClean)
    }

    @Test("A user other than root is made in the host, with sudo or a clear refusal")
    func otherUser() throws {
        let node = Node(
            name: "edge", connect: .ssh(user: "meshtest", host: "198.51.100.11", port: 2222))
        let lab = try Machine.lab("labtest9", [node])
        defer { _ = try? lab.down() }
        guard Child.find("sudo") != nil else {
            let error = #expect(throws: LabError.self) { try lab.up() }
            #expect(error?.hint?.contains("sudo") == true || error?.detail.contains("sudo") == true)
            return
        }
        try lab.up()
        let answer = try ssh(lab, "edge", "id -un; sudo -n id -un")
        #expect(answer.text == "meshtest\nroot", "\(answer.errorText)")
    }

    @Test("The only local node is where the controller runs, with the lab's keys at hand")
    func localNode() throws {
        let lab = try Machine.lab("labtest10", [Node(name: "here", connect: .local), fourHosts[1]])
        defer { _ = try? lab.down() }
        try lab.up()
        #expect(lab.plan.controllerNode == "here")
        let answer = try run(
            lab, "here",
            ["ssh", "-F", lab.status().sshConfig, "-o", "BatchMode=yes", "gpu", "hostname"])
        #expect(answer.text == "gpu", "\(answer.errorText)")
    }

    private func run(_ lab: Lab, _ node: String, _ command: [String]) throws -> CommandResult {
        try Child.run(try lab.arguments(for: command, in: node), timeout: 60)
    }

    private func ssh(_ lab: Lab, _ target: String, _ command: String) throws -> CommandResult {
        try run(
            lab, "lan",
            ["ssh", "-F", lab.status().sshConfig, "-o", "BatchMode=yes", target, command])
    }
}

private let names = [
    "edge": "edge", "gpu": "gpu", "198.51.100.13": "db", "2001:db8::13": "db",
    "cache.example.com": "cache",
]

private let fourHosts = [
    Node(
        name: "edge", connect: .ssh(user: "root", host: "198.51.100.11", port: nil),
        endpoint: "2001:db8::11"),
    Node(name: "gpu", connect: .ssh(user: "root", host: "198.51.100.12", port: 2222)),
    Node(
        name: "db", connect: .ssh(user: nil, host: "198.51.100.13", port: nil),
        endpoint: "2001:db8::13"),
    Node(name: "cache", connect: .ssh(user: nil, host: "cache.example.com", port: nil)),
]

/// The machine that the tests run on.
private enum Machine {
    /// The built binary: MESHPROOF_BIN, or the debug build of this package.
    static let program: String = {
        if let path = getenv("MESHPROOF_BIN") { return String(cString: path) }
        let folder = getcwd(nil, 0)
        defer { free(folder) }
        return (folder.map { String(cString: $0) } ?? "") + "/.build/debug/meshproof"
    }()

    /// Root, and a binary that has the lab's own subcommands.
    static let isFit = geteuid() == 0 && access(program, X_OK) == 0

    static func topology(_ mesh: String, _ nodes: [Node], services: [Service] = []) -> Topology {
        let all = [
            Service(name: "ollama", node: "gpu", kind: "ollama", port: 11434),
            Service(name: "redis", node: "db", kind: "redis", port: 6379, bind: .loopback),
            Service(name: "hand", node: "db", kind: "http", port: 9000, bind: .loopback),
        ]
        let network = IPPrefix(IPAddress(ipv4: 0x0a4d_0000), length: 24)
        let script = """
            echo "made by hand" >/tmp/index.html
            """
        return Topology(
            mesh: Mesh(name: mesh, networks: [network].compactMap { $0 }), nodes: nodes,
            services: all.filter { service in nodes.contains { $0.name == service.node } }
                + services,
            lab: [
                "hand": LabService(
                    prepare: ["sh", "-c", script],
                    run: ["busybox", "httpd", "-f", "-p", "127.0.0.1:9000", "-h", "/tmp"],
                    user: "nobody")
            ])
    }

    static func lab(_ mesh: String, _ nodes: [Node], services: [Service] = []) throws -> Lab {
        try Lab(topology: topology(mesh, nodes, services: services), program: program)
    }

    /// What a lab could leave behind: names, mounts, folders and processes of labs of these tests.
    struct Traces: Equatable {
        var namespaces: [String]
        var mounts: [String]
        var folders: [String]
        var processes: [String]
    }

    static func now() -> Traces {
        let mounts = (try? Files.read("/proc/self/mountinfo")) ?? []
        let all = ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) }
        return Traces(
            namespaces: ((try? Files.list("/run/netns")) ?? []).filter {
                $0.hasPrefix("mp-labtest")
            },
            mounts: String(decoding: mounts, as: UTF8.self).split(separator: "\n").map(String.init)
                .filter { $0.contains("labtest") },
            folders: ((try? Files.list("/run/meshproof-lab")) ?? []).filter {
                $0.contains("labtest")
            },
            processes: all.compactMap { pid in
                let bytes = (try? Files.read("/proc/\(pid)/cmdline")) ?? []
                let text = String(decoding: bytes, as: UTF8.self)
                return text.contains("/run/meshproof-lab/labtest") ? text : nil
            })
    }

    static func awaitEnd(_ pid: Int32) {
        while Files.exists("/proc/\(pid)/ns/net") { Clocks.sleep(0.005) }
    }
}
