import CLinux
import FoundationEssentials
import Glibc
import LinuxSystem
import MeshModel
import Netlink
import Synchronization
import Testing
import WireGuard

/// Runs `body` on a thread of its own, in a network namespace of its own that goes with the thread.
func inOwnNetwork<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let result = Mutex<Result<Value, any Error>?>(nil)
    let worker = try Worker("own network", stackBytes: 8 << 20) {
        let value = Result {
            try check("unshare") { cl_unshare(Int32(CL_NEWNET)) }
            return try body()
        }
        result.withLock { $0 = value }
    }
    worker.join()
    return try #require(result.withLock { $0 }).get()
}

/// Runs a command in this thread's namespaces, and gives what it printed.
@discardableResult
func run(_ words: String) throws -> String {
    let result = try Child.run(words.split(separator: " ").map(String.init))
    guard result.status.isSuccess else {
        throw SystemError("run", words, errno: 0, detail: result.errorText)
    }
    return result.text
}

func json<Value: Decodable>(_ type: Value.Type, _ words: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(try run(words).utf8))
}

@Suite(
    "Links, addresses, routes and rules of the running kernel", .enabled(if: geteuid() == 0),
    .serialized)
struct NetlinkLabTests {
    private struct IPLink: Decodable {
        struct Info: Decodable { let info_kind: String? }
        let ifindex: Int32
        let ifname: String
        let mtu: UInt32
        let flags: [String]
        let group: String?
        let linkinfo: Info?
    }

    private struct IPAddresses: Decodable {
        struct Entry: Decodable {
            let local: String
            let prefixlen: Int
        }
        let ifindex: Int32
        let addr_info: [Entry]
    }

    private struct IPRoute: Decodable {
        struct Hop: Decodable {
            let gateway: String?
            let dev: String
            let weight: UInt16
        }
        struct Metrics: Decodable { let mtu: UInt32? }
        let type: String?
        let dst: String
        let gateway: String?
        let dev: String?
        let prefsrc: String?
        let metric: UInt32?
        let metrics: [Metrics]?
        let nexthops: [Hop]?
    }

    private struct IPRule: Decodable {
        let priority: UInt32
        let table: String?
    }

    /// A pair of veth ends, up, with addresses; the index of the first.
    private static func makeLinks(_ socket: RouteSocket) throws -> Int32 {
        try run("ip link add v0 type veth peer name v1")
        let index = try #require(try socket.link(named: "v0")).index
        try socket.setLink(index: index, up: true, mtu: 1400, group: 0x6d70)
        try run("ip link set v1 up")
        try socket.addAddress(index: index, try #require(IPPrefix("192.0.2.1/24")))
        // On the loopback interface an IPv6 address can be used at once: nobody is asked whether it is free.
        let loopback = try #require(try socket.link(named: "lo")).index
        try socket.setLink(index: loopback, up: true)
        try socket.addAddress(index: loopback, try #require(IPPrefix("2001:db8::1/128")))
        return index
    }

    @Test("links and addresses are as ip tells them, and are set and removed as asked")
    func linksAndAddresses() throws {
        try inOwnNetwork {
            let socket = RouteSocket()
            let index = try Self.makeLinks(socket)
            // Twice is fine.
            try socket.addAddress(index: index, try #require(IPPrefix("192.0.2.1/24")))
            let theirs = try json([IPLink].self, "ip -j -d link show")
            let ours = try socket.links()
            #expect(ours.map(\.index) == theirs.map(\.ifindex))
            #expect(ours.map(\.name) == theirs.map(\.ifname))
            #expect(ours.map(\.mtu) == theirs.map(\.mtu))
            #expect(ours.map(\.isUp) == theirs.map { $0.flags.contains("UP") })
            #expect(ours.map(\.kind) == theirs.map(\.linkinfo?.info_kind))
            let link = try #require(ours.first { $0.index == index })
            #expect(link.group == 0x6d70 && link.mtu == 1400 && link.kind == "veth" && link.isUp)
            #expect(theirs.first { $0.ifindex == index }?.group == "28016")
            let addresses = try json([IPAddresses].self, "ip -j address show")
                .flatMap { link in
                    link.addr_info.map { "\(link.ifindex) \($0.local)/\($0.prefixlen)" }
                }
            #expect(
                Set(try socket.addresses().map { "\($0.index) \($0.prefix)" }) == Set(addresses))
            for _ in 0..<2 {
                try socket.removeAddress(index: index, try #require(IPPrefix("192.0.2.1/24")))
            }
            #expect(try !run("ip address show v0").contains("192.0.2.1"))
            for _ in 0..<2 { try socket.deleteLink(index: index) }
            #expect(try socket.link(named: "v0") == nil)
            let error = #expect(throws: NetlinkError.self) {
                try socket.createLink(name: "x0", kind: "nosuchkind", group: 1)
            }
            #expect(error?.code == .unsupported)
            #expect(error?.text?.contains("Unknown device type") == true)
        }
    }

    @Test("routes are as ip tells them, and are set, looked up and removed as asked")
    func routes() throws {
        try inOwnNetwork {
            let socket = RouteSocket()
            let index = try Self.makeLinks(socket)
            func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
            let gateway = try #require(IPAddress("192.0.2.9"))
            let made = [
                Route(
                    destination: try prefix("198.51.100.0/24"), routeProtocol: 0x6d,
                    interfaceIndex: index,
                    source: IPAddress("192.0.2.1"), gateway: gateway, metric: 7, mtu: 1300),
                Route(
                    destination: try prefix("203.0.113.0/24"), routeProtocol: 0x6d,
                    kind: .unreachable,
                    metric: Ownership.unreachableMetric),
                Route(
                    destination: try prefix("10.9.0.0/16"), table: 1000, routeProtocol: 0x6d,
                    metric: 3,
                    nexthops: [
                        .init(interfaceIndex: index, gateway: gateway, weight: 2),
                        .init(interfaceIndex: index, gateway: IPAddress("192.0.2.10"), weight: 1),
                    ]),
                Route(
                    destination: try prefix("fd77:6d70::5/128"), routeProtocol: 0x6d,
                    interfaceIndex: index,
                    source: IPAddress("2001:db8::1"), metric: 1024),
            ]
            for _ in 0..<2 { for route in made { try socket.replaceRoute(route) } }
            let unreachable = Route(
                destination: try prefix("fd77:6d70::/64"), routeProtocol: 0x6d, kind: .unreachable,
                metric: Ownership.unreachableMetric)
            try socket.replaceRoute(unreachable)
            let ours = try socket.routes(routeProtocol: 0x6d)
            #expect(Set(made).isSubset(of: Set(ours)))
            #expect(ours.count == made.count + 1)
            let theirs = try json([IPRoute].self, "ip -j -4 route show table all proto 0x6d")
            #expect(Set(theirs.map(\.dst)) == ["198.51.100.0/24", "203.0.113.0/24", "10.9.0.0/16"])
            let plain = try #require(theirs.first { $0.dst == "198.51.100.0/24" })
            #expect(
                plain.gateway == "192.0.2.9" && plain.metric == 7 && plain.prefsrc == "192.0.2.1")
            #expect(plain.metrics?.first?.mtu == 1300)
            #expect(theirs.first { $0.dst == "10.9.0.0/16" }?.nexthops?.map(\.weight) == [2, 1])
            #expect(theirs.first { $0.dst == "203.0.113.0/24" }?.type == "unreachable")
            // Every route of the kernel's own is read too.
            let all =
                try json([IPRoute].self, "ip -j -4 route show table all").count
                + json([IPRoute].self, "ip -j -6 route show table all").count
            #expect(try socket.routes().count == all)

            let answer = try socket.route(
                to: try #require(IPAddress("198.51.100.4")), user: 0, ipProtocol: 6,
                destinationPort: 443)
            #expect(
                answer.interfaceIndex == index && answer.gateway == gateway && answer.mtu == 1300)
            #expect(answer.source == IPAddress("192.0.2.1") && answer.table == Route.mainTable)
            #expect(answer.matched?.destination == made[0].destination)
            #expect(
                try socket.route(to: try #require(IPAddress("203.0.113.1"))).kind == .unreachable)
            let six = try socket.route(to: try #require(IPAddress("fd77:6d70::5")))
            #expect(six.interfaceIndex == index && six.source == IPAddress("2001:db8::1"))
            #expect(
                try socket.route(to: try #require(IPAddress("fd77:6d70::6"))).kind == .unreachable)
            #expect(try socket.route(to: try #require(IPAddress("127.0.0.1"))).kind != .unicast)

            for _ in 0..<2 { for route in ours { try socket.removeRoute(route) } }
            #expect(try socket.routes(routeProtocol: 0x6d).isEmpty)
        }
    }

    @Test("rules are as ip tells them, and are added and removed as asked")
    func rules() throws {
        try inOwnNetwork {
            let socket = RouteSocket()
            let before = try socket.rules()
            var rule = Rule(family: .ipv4, priority: 500, action: .table(1000), routeProtocol: 0x6d)
            rule.from = IPPrefix("192.0.2.0/24")
            rule.mark = 0x10
            rule.mask = 0xff
            rule.users = 1000...2000
            rule.ipProtocol = 6
            rule.destinationPorts = 80...90
            var other = Rule(family: .ipv6, priority: 501, action: .prohibit, routeProtocol: 0x6d)
            other.inputInterface = "lo"
            other.isInverted = true
            for _ in 0..<2 {
                try socket.addRule(rule)
                try socket.addRule(other)
            }
            let theirs =
                try json([IPRule].self, "ip -j rule show").map(\.priority)
                + json([IPRule].self, "ip -j -6 rule show").map(\.priority)
            #expect(try socket.rules().map(\.priority) == theirs)
            #expect(Set(try socket.rules()).subtracting(before) == [rule, other])
            for _ in 0..<2 {
                try socket.removeRule(rule)
                try socket.removeRule(other)
            }
            #expect(try socket.rules() == before)
        }
    }

    @Test("the monitor tells of changes, and of silence")
    func monitor() throws {
        try inOwnNetwork {
            let monitor = try RouteMonitor()
            #expect(!monitor.drain())
            try run("ip link set lo up")
            #expect(try IO.wait(monitor.descriptor, milliseconds: 10_000))
            #expect(monitor.drain())
            #expect(!monitor.drain())
        }
    }
}
