import CLinux
import Glibc
import LinuxSystem
import MeshModel
import PacketFilter
import Testing

/// Two network namespaces: this thread's, which has the guards, and another host with a way into each of two meshes and
/// into the network beneath. The meshes' interfaces are no WireGuard: to a guard that is all one.
private final class TwoHosts {
    private let other: Child
    private let folder = "/tmp/meshproof-guard-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init() throws {
        try Files.makeFolder(folder)
        other = try Child(["unshare", "--net", "sleep", "600"], newSession: true)
        let own = try run("readlink /proc/thread-self/ns/net")
        _ = LabMesh.wait(10) { (try? run("readlink /proc/\(other.pid)/ns/net")) != own }
        try sh("ip link set lo up")
        try there("ip link set lo up")
        for (name, network) in [("mp0-one", "10.1.0"), ("mp0-two", "10.2.0"), ("out0", "192.0.2")] {
            try sh("ip link add \(name) type veth peer name far-\(name) netns \(other.pid)")
            if name != "out0" { try sh("ip link set \(name) group \(Ownership.linkGroup)") }
            try sh("ip addr add \(network).1/24 dev \(name) && ip link set \(name) up")
            try there("ip addr add \(network).2/24 dev far-\(name) && ip link set far-\(name) up")
        }
        try sh("echo here >\(folder)/index.html")
    }

    deinit {
        kill(-other.pid, SIGKILL)
        kill(other.pid, SIGKILL)
        _ = try? other.wait()
        _ = try? Child.run(["sh", "-c", "kill $(cat \(folder)/pids) 2>/dev/null; true"])
        try? Files.removeTree(folder)
    }

    @discardableResult
    func sh(_ script: String) throws -> String { try Self.checked(["sh", "-ec", script], script) }

    @discardableResult
    func there(_ script: String) throws -> String {
        try Self.checked(
            ["nsenter", "-t", "\(other.pid)", "-n", "sh", "-ec", script], script)
    }

    private static func checked(_ words: [String], _ script: String) throws -> String {
        let result = try Child.run(words)
        try #require(result.status.isSuccess, "\(script): \(result.errorText)")
        return result.text
    }

    /// A page on every address of this host, or of the other.
    func serve(_ port: Int, there isThere: Bool = false) throws {
        let script = """
            busybox httpd -f -p \(port) -h \(folder) >/dev/null 2>&1 & echo $! >>\(folder)/pids
            """
        if isThere { try there(script) } else { try sh(script) }
        let isListening = try LabMesh.wait(10) {
            try (isThere ? there("ss -Hltn") : sh("ss -Hltn")).contains(":\(port)")
        }
        #expect(isListening)
    }

    /// Writes a line to whoever connects, five times a second.
    func tick(_ port: Int, there isThere: Bool = false) throws {
        let script = """
            while sleep 0.2; do echo tick; done 2>/dev/null | busybox nc -l -p \(port) >/dev/null 2>&1 &
            echo $! >>\(folder)/pids
            """
        if isThere { try there(script) } else { try sh(script) }
        let isListening = try LabMesh.wait(10) {
            try (isThere ? there("ss -Hltn") : sh("ss -Hltn")).contains(":\(port)")
        }
        #expect(isListening)
    }

    /// Connects and keeps what comes; returns how much has come.
    func listen(_ address: String, _ port: Int, there isThere: Bool = false) throws -> () throws ->
        Int
    {
        let file = "\(folder)/heard-\(port)"
        let script = """
            { sleep 600 & echo $! >>\(folder)/pids; wait; } 2>/dev/null \
            | busybox nc \(address) \(port) >\(file) 2>/dev/null &
            echo $! >>\(folder)/pids
            """
        if isThere { try there(script) } else { try sh(script) }
        return { (try? Files.read(file).count) ?? 0 }
    }

    func reaches(_ place: String, there isThere: Bool = true, from port: Int? = nil) throws -> Bool
    {
        let words =
            ["curl", "-sS", "-o", "/dev/null", "--connect-timeout", "2"]
            + (port.map { ["--local-port", "\($0)"] } ?? []) + ["http://\(place)/"]
        let prefix = isThere ? ["nsenter", "-t", "\(other.pid)", "-n"] : []
        return try Child.run(prefix + words).status.isSuccess
    }
}

@Suite(
    "What a guard lets pass and what it drops", .serialized, .enabled(if: LabConditions.isRoot))
struct GuardTrafficTests {
    private static func wanted(
        _ network: String, port: UInt16, shielding: [UInt16] = [], reaching: UInt16? = nil
    ) throws -> DesiredGuard {
        let own = try #require(IPAddress("\(network).1"))
        let peer = try #require(IPAddress("\(network).2"))
        return DesiredGuard(
            addresses: [own], networks: [try #require(IPPrefix("\(network).0/24"))],
            admitted: [GuardFlow(from: peer, to: own, port: port)],
            reachable: reaching.map { [SocketEndpoint(peer, $0)] } ?? [],
            shielded: ([port] + shielding).map { ShieldedPort(.tcp, $0) }.sorted())
    }

    @Test("two meshes on one host each have their own edges, and neither's guard harms the other")
    func twoMeshes() throws {
        try inOwnNetwork {
            let hosts = try TwoHosts()
            try hosts.serve(8080)
            try hosts.serve(8081)
            let places = ["10.1.0.1", "10.2.0.1", "192.0.2.1"].flatMap {
                ["\($0):8080", "\($0):8081"]
            }
            func open() throws -> [String] { try places.filter { try hosts.reaches($0) } }
            #expect(try open() == places)
            let one = GuardKeeper(mesh: "one")
            let two = GuardKeeper(mesh: "two")
            try one.set(try Self.wanted("10.1.0", port: 8080))
            #expect(
                try open() == ["10.1.0.1:8080", "10.2.0.1:8080", "10.2.0.1:8081", "192.0.2.1:8081"])
            try two.set(try Self.wanted("10.2.0", port: 8081))
            #expect(try open() == ["10.1.0.1:8080", "10.2.0.1:8081"])
            try one.remove()
            #expect(
                try open() == ["10.1.0.1:8080", "10.1.0.1:8081", "10.2.0.1:8081", "192.0.2.1:8080"])
        }
    }

    @Test("a service that both meshes declare is open to both, and closed to the rest")
    func sharedService() throws {
        try inOwnNetwork {
            let hosts = try TwoHosts()
            try hosts.serve(8080)
            try GuardKeeper(mesh: "one").set(try Self.wanted("10.1.0", port: 8080))
            try GuardKeeper(mesh: "two").set(try Self.wanted("10.2.0", port: 8080))
            #expect(try hosts.reaches("10.1.0.1:8080"))
            #expect(try hosts.reaches("10.2.0.1:8080"))
            #expect(try !hosts.reaches("192.0.2.1:8080"))
        }
    }

    @Test("this host's own connections work, also from a port that is a service's")
    func ownConnections() throws {
        try inOwnNetwork {
            let hosts = try TwoHosts()
            try hosts.serve(9000, there: true)
            try GuardKeeper(mesh: "one").set(
                try Self.wanted("10.1.0", port: 8080, shielding: [8090]))
            #expect(try hosts.reaches("192.0.2.2:9000", there: false))
            #expect(try hosts.reaches("192.0.2.2:9000", there: false, from: 8090))
            #expect(try hosts.reaches("10.1.0.2:9000", there: false))
        }
    }

    @Test("a shielded port is not had by another port that is redirected to it, nor by a new name")
    func redirected() throws {
        try inOwnNetwork {
            let hosts = try TwoHosts()
            try hosts.serve(8080)
            try hosts.sh(
                """
                nft add table ip theirs
                nft 'add chain ip theirs pre { type nat hook prerouting priority -100; }'
                nft add rule ip theirs pre tcp dport 9999 redirect to :8080
                nft add rule ip theirs pre tcp dport 9998 dnat to 10.1.0.1:8080
                """)
            #expect(try hosts.reaches("192.0.2.1:9999"))
            #expect(try hosts.reaches("192.0.2.1:9998"))
            try GuardKeeper(mesh: "one").set(try Self.wanted("10.1.0", port: 8080))
            #expect(try !hosts.reaches("192.0.2.1:9999"))
            #expect(try !hosts.reaches("192.0.2.1:9998"))
            #expect(try hosts.reaches("10.1.0.1:8080"))
        }
    }

    @Test("when a guard comes, an outsider's open connection is cut, and a declared one goes on")
    func standing() throws {
        try inOwnNetwork {
            let hosts = try TwoHosts()
            try hosts.tick(8080)
            try hosts.tick(9000, there: true)
            let outsider = try hosts.listen("192.0.2.1", 8080, there: true)
            let client = try hosts.listen("10.1.0.2", 9000)
            #expect(try LabMesh.wait(10) { try outsider() > 0 && client() > 0 })
            try GuardKeeper(mesh: "one").set(
                try Self.wanted("10.1.0", port: 8080, reaching: 9000))
            let (before, declared) = (try outsider(), try client())
            #expect(try LabMesh.wait(10) { try client() > declared + 20 })
            // What was on its way may still have arrived.
            #expect(try outsider() <= before + 5)
        }
    }

    @Test(
        "containers and machines behind a node have the way of its edges into the mesh, and no other"
    )
    func forwarded() throws {
        try inOwnNetwork {
            let hosts = try TwoHosts()
            try hosts.serve(9000, there: true)
            try hosts.serve(9001, there: true)
            try hosts.sh(
                """
                ip netns add guardbox$$ && echo guardbox$$ >/tmp/guardbox.\(getpid())
                box=guardbox$$
                ip link add box0 type veth peer name eth0 netns $box
                ip addr add 172.31.0.1/24 dev box0 && ip link set box0 up
                ip -n $box addr add 172.31.0.2/24 dev eth0 && ip -n $box link set eth0 up
                ip -n $box route add default via 172.31.0.1
                echo 1 >/proc/sys/net/ipv4/ip_forward
                nft add table ip theirs
                nft 'add chain ip theirs post { type nat hook postrouting priority 100; }'
                nft add rule ip theirs post ip saddr 172.31.0.0/24 masquerade
                """)
            let box = try hosts.sh("cat /tmp/guardbox.\(getpid())")
            defer {
                _ = try? hosts.sh("ip netns del \(box); rm -f /tmp/guardbox.\(getpid())")
            }
            func reaches(_ port: Int) throws -> Bool {
                try Child.run([
                    "ip", "netns", "exec", box, "curl", "-sS", "-o", "/dev/null",
                    "--connect-timeout", "2", "http://10.1.0.2:\(port)/",
                ]).status.isSuccess
            }
            #expect(try reaches(9000) && reaches(9001))
            let keeper = GuardKeeper(mesh: "one")
            let wanted = try Self.wanted("10.1.0", port: 8080, reaching: 9000)
            try keeper.set(wanted)
            #expect(try reaches(9000))
            #expect(try !reaches(9001))
            let drops = keeper.observe(wanted)?.drops ?? []
            #expect(drops.first { $0.reason == .forward }?.packets ?? 0 > 0)
        }
    }
}
