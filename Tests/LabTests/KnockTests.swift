import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe
import Testing

/// Two namespaces on one wire: this thread's, the outsider's, and a host whose service listens on an overlay address
/// alone. By the weak host model it answers on the wire too.
private final class WeakHost {
    let hardware = "02:00:00:00:00:02"
    private let host: Child

    init() throws {
        let host = try Child(["unshare", "--net", "sleep", "600"], newSession: true)
        let pid = host.pid
        self.host = host
        let own = try run("readlink /proc/thread-self/ns/net")
        let isApart = LabMesh.wait(10) { (try? run("readlink /proc/\(pid)/ns/net")) != own }
        try #require(isApart)
        try run("ip link set lo up")
        try run("ip link add w0 type veth peer name b0 netns \(pid)")
        try run("ip addr add 198.51.100.1/24 dev w0")
        try run("ip -6 addr add 2001:db8:6d70::1/64 dev w0 nodad")
        try run("ip link set w0 up")
        try there(
            """
            ip link set lo up
            ip link set b0 address \(hardware)
            ip addr add 198.51.100.2/24 dev b0
            ip -6 addr add 2001:db8:6d70::2/64 dev b0 nodad
            ip link set b0 up
            ip link add mp0-x type veth peer name mp0-y
            ip addr add 10.77.0.2/24 dev mp0-x
            ip -6 addr add fd77::2/64 dev mp0-x nodad
            ip link set mp0-x up
            ip link set mp0-y up
            for place in 10.77.0.2 [fd77::2] 198.51.100.2 [2001:db8:6d70::2]; do
                busybox httpd -f -p $place:8080 -h /tmp >/dev/null 2>&1 &
            done
            """)
        let isServing = try LabMesh.wait(10) {
            try there("ss -Hltn").split(separator: "\n").count == 4
        }
        try #require(isServing)
    }

    deinit {
        // The services first: they keep the namespace.
        _ = try? Child.run([
            "nsenter", "-t", "\(host.pid)", "-n", "sh", "-c",
            "kill -9 $(ss -Hltnp | grep -o 'pid=[0-9]*' | cut -d= -f2)",
        ])
        kill(-host.pid, SIGKILL)
        kill(host.pid, SIGKILL)
        _ = try? host.wait()
    }

    @discardableResult
    func there(_ script: String) throws -> String {
        let result = try Child.run(
            ["nsenter", "-t", "\(host.pid)", "-n", "sh", "-ec", script])
        try #require(result.status.isSuccess, "\(script): \(result.errorText)")
        return result.text
    }

    func put(
        _ place: String, _ question: ProbeOrder.Question = .knock, past: Bool = true,
        timeout: Double = 6
    ) throws -> ProbeFact {
        let order = ProbeOrder(
            id: "1", edge: nil, purpose: .outsider,
            target: .tcp(try #require(SocketEndpoint(place))),
            question: question, canary: "", timeout: timeout,
            hardwareAddress: past ? hardware : nil, device: past ? "w0" : nil)
        return try #require(ProbeRunner.run([order], vantage: "w").first)
    }
}

@Suite(
    "A knock tells whether an address answers on the wire, past all routes", .serialized,
    .enabled(if: LabConditions.isRoot))
struct KnockTests {
    private static let overlay = ["10.77.0.2", "[fd77::2]"]
    private static let underlay = ["198.51.100.2", "[2001:db8:6d70::2]"]

    @Test("the weak host answers at its overlay address; no route is touched, no connection made")
    func weakHost() throws {
        try inOwnNetwork {
            let host = try WeakHost()
            let routes = try run("ip -4 route show table all")
            for place in Self.overlay {
                // The usual way there is none.
                #expect(try host.put("\(place):8080", .connect).outcome == .unreachable)
                #expect(try host.put("\(place):8080", past: false).outcome == .unreachable)
                let fact = try host.put("\(place):8080")
                #expect(fact.outcome == .answered, "\(place): \(fact.message)")
                #expect(fact.localEnds.count == 1)
            }
            #expect(try run("ip -4 route show table all") == routes)
            let isClean = try LabMesh.wait(5) {
                try host.there("ss -Htan state established state syn-recv").isEmpty
            }
            #expect(isClean)
        }
    }

    @Test("where a filter drops it is silent, where nothing listens it is closed")
    func others() throws {
        try inOwnNetwork {
            let host = try WeakHost()
            for place in Self.overlay {
                let fact = try host.put("\(place):8081")
                #expect(fact.outcome == .closed, "\(place): \(fact.message)")
            }
            try host.there(
                """
                nft add table inet t
                nft 'add chain inet t in { type filter hook input priority 0; }'
                nft add rule inet t in iifname b0 tcp dport 8080 drop
                """)
            for place in Self.overlay {
                let fact = try host.put("\(place):8080", timeout: 1.5)
                #expect(fact.outcome == .silent, "\(place): \(fact.message)")
            }
            // Once it is gone the same knock is answered: it was the rule, and nothing else.
            try host.there("nft delete table inet t")
            for place in Self.overlay {
                #expect(try host.put("\(place):8080").outcome == .answered)
            }
        }
    }

    @Test("without a hardware address it takes the routes that there are")
    func byRoute() throws {
        try inOwnNetwork {
            let host = try WeakHost()
            for place in Self.underlay {
                let open = try host.put("\(place):8080", past: false)
                #expect(open.outcome == .answered, "\(place): \(open.message)")
                let closed = try host.put("\(place):8081", past: false)
                #expect(closed.outcome == .closed, "\(place): \(closed.message)")
            }
        }
    }

    @Test("a device that is not there, or no address on it, is told")
    func trouble() throws {
        try inOwnNetwork {
            let host = try WeakHost()
            var order = ProbeOrder(
                id: "1", edge: nil, purpose: .outsider,
                target: .tcp(try #require(SocketEndpoint("10.77.0.2:8080"))), question: .knock,
                canary: "", timeout: 6, hardwareAddress: host.hardware)
            // Neither a neighbour by that address yet, nor a default route.
            #expect(ProbeRunner.run([order], vantage: "w").map(\.outcome) == [.failed])
            // Once the host is a neighbour, its device is known by that.
            #expect(try host.put("198.51.100.2:8080", .connect).outcome == .answered)
            #expect(ProbeRunner.run([order], vantage: "w").map(\.outcome) == [.answered])
            order.device = "w9"
            #expect(ProbeRunner.run([order], vantage: "w").map(\.outcome) == [.failed])
            order.device = "lo"
            order.target = .tcp(try #require(SocketEndpoint("[fd77::2]:8080")))
            order.hardwareAddress = "no"
            #expect(ProbeRunner.run([order], vantage: "w").map(\.outcome) == [.failed])
        }
    }
}
