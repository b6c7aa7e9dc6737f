import MeshModel
import Netlink
import Testing

@testable import MeshNode

@Suite(
    "What is concluded of a node's links, rules, routes and sockets before facts are handed over")
struct FactDecisionTests {
    private static func link(
        _ index: Int32, _ name: String, _ kind: String? = nil, group: UInt32 = 0,
        master: Int32? = nil
    ) -> Link {
        Link(
            index: index, name: name, kind: kind, group: group, isUp: true,
            isLoopback: name == "lo", master: master, hardware: "02:00:00:00:00:0\(index)")
    }

    @Test("Which links show on the real network")
    func underlay() {
        let links = [
            Self.link(1, "lo"), Self.link(2, "eno1", master: 3), Self.link(3, "br0", "bridge"),
            Self.link(4, "docker0", "bridge"), Self.link(5, "veth1", "veth", master: 4),
            Self.link(6, "mp0-home", "wireguard", group: Ownership.linkGroup),
            Self.link(7, "eth0", "veth"), Self.link(8, "virbr0", "bridge"),
        ]
        let underlay = UnderlayLinks(links: links)
        #expect(underlay.faces.map(\.name) == ["br0", "eth0"])
        #expect(
            underlay.hardware == ["02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:07"])
    }

    @Test("Who runs a client: not root where anybody else does, and nobody who serves")
    func clients() throws {
        func flow(_ local: String, _ remote: String, _ user: UInt32) throws -> SocketFact {
            SocketFact(
                kind: .tcp, local: try #require(SocketEndpoint(local)),
                remote: SocketEndpoint(remote), interface: nil, user: user,
                process: "x (pid 1)")
        }
        let sockets = NamespaceSockets(
            namespace: 1, isOwn: true, inhabitant: nil,
            listeners: [
                SocketFact(
                    kind: .tcp, local: try #require(SocketEndpoint("0.0.0.0:80")), remote: nil,
                    interface: nil, user: 33, process: nil)
            ],
            flows: [
                try flow("10.0.0.1:40000", "10.0.0.2:5432", 0),
                try flow("10.0.0.1:40001", "10.0.0.2:5432", 0),
                try flow("10.0.0.1:40002", "10.0.0.2:5432", 70),
                try flow("10.0.0.1:40003", "10.0.0.2:6379", 0),
                try flow("10.0.0.1:80", "10.0.0.2:50000", 33),
            ], unixListeners: [])
        #expect(ClientUsers.find(sockets) == [5432: 70, 6379: 0])
    }

    private static func strays(_ routes: [Route], _ rules: [Rule]) throws -> [String] {
        let ours = Route(
            destination: try #require(IPPrefix("10.77.0.2/32")),
            routeProtocol: Ownership.routeProtocol, interfaceIndex: 9)
        let found = StrayRoutes(
            routes: routes + [ours], rules: rules, meshLinks: [9],
            own: [try #require(IPAddress("10.77.0.1"))],
            overlay: [
                try #require(IPAddress("10.77.0.1")), try #require(IPAddress("10.77.0.2")),
            ]
        ).find()
        return found.map { RuleText.route($0, names: [2: "eth0"]) }
    }

    private static func main(_ priority: UInt32 = 32_766) -> Rule {
        Rule(family: .ipv4, priority: priority, action: .table(254))
    }

    @Test("A table counts where a rule for the packet comes before ours")
    func tables() throws {
        let everything = try #require(IPPrefix("0.0.0.0/0"))
        let other = Route(
            destination: everything, table: 100, routeProtocol: 3, interfaceIndex: 2)
        let told = ["default dev eth0 table 100"]
        func rule(_ priority: UInt32, _ change: (inout Rule) -> Void = { _ in }) -> Rule {
            var rule = Rule(family: .ipv4, priority: priority, action: .table(100))
            change(&rule)
            return rule
        }
        #expect(try Self.strays([other], [rule(50), Self.main()]) == told)
        #expect(try Self.strays([other], [Self.main()]) == [])
        #expect(try Self.strays([other], [Self.main(), rule(40_000)]) == [])
        #expect(try Self.strays([other], [rule(50) { $0.isInverted = true }, Self.main()]) == told)
        // wg-quick's: main is asked first, for all but its default route.
        var first = Self.main(10)
        first.suppressPrefixLength = 0
        #expect(try Self.strays([other], [first, rule(50), Self.main()]) == [])
        first.suppressPrefixLength = 32
        #expect(try Self.strays([other], [first, rule(50), Self.main()]) == told)
        first.suppressPrefixLength = 0
        first.mark = 1
        #expect(try Self.strays([other], [first, rule(50), Self.main()]) == told)
        let elsewhere = try #require(IPPrefix("192.0.2.0/24"))
        let mesh = try #require(IPPrefix("10.77.0.0/24"))
        #expect(try Self.strays([other], [rule(50) { $0.to = elsewhere }, Self.main()]) == [])
        #expect(try Self.strays([other], [rule(50) { $0.to = mesh }, Self.main()]) == told)
        #expect(try Self.strays([other], [rule(50) { $0.from = elsewhere }, Self.main()]) == [])
        #expect(try Self.strays([other], [rule(50) { $0.from = mesh }, Self.main()]) == told)
    }

    @Test("In main a route counts from the length of ours, and a way that refuses leads nowhere")
    func lengths() throws {
        func route(_ text: String, _ kind: Route.Kind = .unicast) throws -> Route {
            Route(
                destination: try #require(IPPrefix(text)), routeProtocol: 3, kind: kind,
                interfaceIndex: 2, metric: 5)
        }
        let rules = [Self.main()]
        #expect(try Self.strays([route("10.77.0.0/24"), route("0.0.0.0/0")], rules) == [])
        #expect(
            try Self.strays([route("10.77.0.2/32")], rules)
                == ["10.77.0.2 dev eth0 metric 5 table main"])
        #expect(try Self.strays([route("10.77.0.2/32", .unreachable)], rules) == [])
        // Our own address never leaves.
        #expect(try Self.strays([route("10.77.0.1/32")], rules) == [])
    }

    @Test("Rules are written as ip writes them")
    func text() throws {
        var rule = Rule(family: .ipv6, priority: 7, action: .table(254))
        rule.isInverted = true
        rule.from = IPPrefix("fd77::/64")
        rule.to = IPPrefix("2001:db8::1/128")
        rule.typeOfService = 16
        rule.mark = 1
        rule.mask = .max
        rule.inputInterface = "lo"
        rule.outputInterface = "eth0"
        rule.users = 5...9
        rule.ipProtocol = 17
        rule.sourcePorts = 1...2
        rule.destinationPorts = 53...53
        rule.suppressPrefixLength = 0
        rule.unread = [25]
        #expect(
            RuleText.rule(rule)
                == "7: not from fd77::/64 to 2001:db8::1 tos 0x10 fwmark 0x1 iif lo oif eth0 "
                + "uidrange 5-9 ipproto udp sport 1-2 dport 53 [also by attribute 25] lookup main "
                + "suppress_prefixlength 0 (IPv6)")
        var master = Rule(family: .ipv4, priority: 1000, action: .table(0))
        master.isByMaster = true
        #expect(RuleText.rule(master) == "1000: from all lookup [l3mdev-table]")
        let jump = Rule(family: .ipv4, priority: 3, action: .jump(9))
        #expect(RuleText.rule(jump) == "3: from all goto 9")
    }
}
