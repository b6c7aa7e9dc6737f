import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Testing

@Suite("Facts of a node, from the running kernel", .enabled(if: geteuid() == 0), .serialized)
struct FactTests {
    private static var collector: FactCollector {
        FactCollector(mesh: "home", program: LabMesh.program)
    }

    private static func facts(
        _ order: WitnessOrder, _ collector: FactCollector = FactTests.collector
    ) -> NodeFacts {
        let now = FactTime(wall: Clocks.wall(), monotonic: Clocks.monotonic())
        var facts = NodeFacts(
            node: order.node, meshID: order.meshID, nonce: order.nonce, program: "", bootID: "",
            namespace: FactCollector.ownNamespace(), began: now, ended: now)
        collector.collect(order, into: &facts)
        return facts
    }

    private static func flow(_ port: UInt16, users: [UInt32] = []) throws -> FlowQuestion {
        FlowQuestion(
            edge: "a->b", isReply: false, source: try #require(IPAddress("10.77.0.1")),
            destination: try #require(IPAddress("10.77.0.2")), sourcePort: nil,
            destinationPort: port, users: users)
    }

    // MARK: Sockets

    @Test("Listeners of another namespace are told with process and user, each as what it is")
    func otherNamespace() throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            let isMultipath = Files.exists("/proc/sys/net/mptcp/enabled")
            let pid = try hosts.python(
                """
                os.setuid(65534)
                def tcp(place, family=socket.AF_INET, only=0, protocol=0):
                    s = socket.socket(family, socket.SOCK_STREAM, protocol)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
                    s.bind(place)
                    s.listen()
                    return s
                all = [tcp(('0.0.0.0', 7001)), tcp(('::', 7003), socket.AF_INET6),
                    tcp(('::', 7004), socket.AF_INET6, 1), tcp(('127.0.0.1', 7005)), tcp(('127.0.0.1', 7005))]
                if \(isMultipath ? 1 : 0): all.append(tcp(('192.0.2.2', 7002), protocol=262))
                udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('192.0.2.2', 7006))
                one = socket.create_connection(('127.0.0.1', 7003)); two = all[1].accept()
                path = socket.socket(socket.AF_UNIX); path.bind('\\0meshproof facts'); path.listen()
                """, there: true)
            let facts = Self.facts(try FactHosts.order())
            let all = try #require(facts.sockets)
            #expect(all.first?.isOwn == true)
            #expect(all.first?.namespace == facts.namespace)
            let there = try #require(all.first { $0.namespace == hosts.otherNamespace })
            #expect(!there.isOwn)
            #expect(there.inhabitant != nil)
            let listeners = there.listeners
            let expected =
                [
                    "tcp 0.0.0.0:7001", "tcp [::]:7003", "tcp [::]:7004 only", "tcp 127.0.0.1:7005",
                    "tcp 127.0.0.1:7005", "udp 192.0.2.2:7006",
                ] + (isMultipath ? ["mptcp 192.0.2.2:7002"] : [])
            let told = listeners.map {
                "\($0.kind.rawValue) \($0.local)\($0.isIPv6Only ? " only" : "")"
            }
            #expect(told.sorted() == expected.sorted())
            #expect(
                listeners.allSatisfy { $0.process == "python3 (pid \(pid))" && $0.user == 65534 })
            // A connection of IPv4 to a socket of both families goes over IPv4, and is told so at both ends.
            let flows = there.flows.filter { $0.local.port == 7003 || $0.remote?.port == 7003 }
            #expect(flows.count == 2)
            #expect(flows.allSatisfy { $0.local.address == .loopbackIPv4 && $0.user == 65534 })
            #expect(flows.allSatisfy { $0.remote?.address == .loopbackIPv4 })
            #expect(there.unixListeners.map(\.path).contains("@meshproof facts"))
            #expect(!facts.failures.contains { $0.message.contains("\(hosts.otherNamespace)") })
        }
    }

    @Test(
        "A namespace whose helper dies or hangs is a failure, and the rest is told all the same",
        arguments: ["exit 3", "exec sleep 60", "echo nonsense"])
    func helpers(_ script: String) throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            let collector = FactCollector(mesh: "home", program: try hosts.program(script))
            let facts = Self.facts(try FactHosts.order(), collector)
            #expect(facts.sockets?.contains { $0.isOwn } == true)
            #expect(facts.sockets?.contains { $0.namespace == hosts.otherNamespace } == false)
            let failure = facts.failures.first { $0.message.contains("\(hosts.otherNamespace)") }
            #expect(failure?.section == "sockets")
            #expect(failure?.fix.isEmpty == false)
        }
    }

    // MARK: Routing

    /// Each with what answers, rules and strays must show.
    private static let cases: [RoutingCase] = [
        RoutingCase("clean", "true", interface: "mp0-home"),
        RoutingCase(
            "a port by another table",
            """
            ip rule add pref 50 ipproto tcp dport 8080 lookup 100
            ip route add 10.77.0.2/32 via 192.0.2.2 table 100
            """, interface: "eth0", rules: ["50: from all ipproto tcp dport 8080 lookup 100"],
            strays: ["10.77.0.2 via 192.0.2.2 dev eth0 table 100"]),
        RoutingCase(
            "a user by the default route of another table",
            """
            ip rule add pref 60 uidrange 1000-1000 lookup 101
            ip route add default via 192.0.2.2 table 101
            """, interface: "mp0-home",
            rules: ["60: from all uidrange 1000-1000 lookup 101"],
            strays: ["default via 192.0.2.2 dev eth0 table 101"], user: 1000, byUser: "eth0"),
        RoutingCase(
            "a better route", "ip route add 10.77.0.2/32 via 192.0.2.2", interface: "eth0",
            strays: ["10.77.0.2 via 192.0.2.2 dev eth0 table main"]),
        RoutingCase(
            "one of two ways",
            "ip route add 10.77.0.2/32 nexthop dev mp0-home weight 1 nexthop via 192.0.2.2 weight 1",
            interface: nil,
            strays: [
                "10.77.0.2 nexthop dev mp0-home nexthop via 192.0.2.2 dev eth0 table main"
            ]),
        RoutingCase(
            "a tunnel in clear",
            """
            ip link add vx0 type vxlan id 7 remote 192.0.2.2 dstport 4789 dev eth0
            ip link set vx0 up
            ip route add 10.77.0.2/32 dev vx0
            """, interface: "vx0", strays: ["10.77.0.2 dev vx0 table main"]),
        RoutingCase(
            "the other's address taken", "ip addr add 10.77.0.2/32 dev lo", interface: "lo",
            strays: ["local 10.77.0.2 dev lo table local"]),
        RoutingCase(
            "IPv6 by a mark",
            """
            ip -6 rule add pref 70 fwmark 0x1/0xff lookup 102
            ip -6 route add fd77::/64 via 2001:db8::2 table 102
            """, interface: "mp0-home",
            rules: ["70: from all fwmark 0x1/0xff lookup 102 (IPv6)"],
            strays: ["fd77::/64 via 2001:db8::2 dev eth0 metric 1024 table 102"]),
        // A machine with two uplinks, and a default route: nothing of it takes an edge's packets.
        RoutingCase(
            "two uplinks",
            """
            ip route add default via 192.0.2.2
            ip rule add pref 90 from 192.0.2.1 lookup 103
            ip route add default via 192.0.2.2 table 103
            ip route add default via 192.0.2.2 table 104
            """, interface: "mp0-home", rules: ["90: from 192.0.2.1 lookup 103"]),
        RoutingCase(
            "refused", "ip route replace unreachable 10.77.0.2/32 proto 109", interface: nil),
    ]

    @Test("What takes packets past the mesh shows in answers, rules and strays", arguments: cases)
    func routing(_ one: RoutingCase) throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            try hosts.sh(one.script)
            let users: [UInt32] = one.user.map { [0, $0] } ?? []
            let facts = Self.facts(
                try FactHosts.order(flows: [try Self.flow(8080, users: users)]))
            let routing = try #require(facts.routing)
            #expect(routing.rules == one.rules)
            #expect(routing.strays == one.strays)
            let answer = try #require(routing.answers.first { $0.user == 0 })
            // Of two ways the kernel chooses by the ports.
            if one.name != "one of two ways" { #expect(answer.interface == one.interface) }
            #expect((answer.group == Ownership.linkGroup) == (answer.interface == "mp0-home"))
            #expect(answer.isLocal == (one.interface == "lo"))
            if let user = one.user {
                #expect(routing.answers.first { $0.user == user }?.interface == one.byUser)
            }
        }
    }

    @Test("A rule on ports is seen only where the whole flow is asked for")
    func otherPort() throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            try hosts.sh(Self.cases[1].script)
            let facts = Self.facts(try FactHosts.order(flows: [try Self.flow(8081)]))
            #expect(facts.routing?.answers.map(\.interface) == ["mp0-home"])
        }
    }

    // MARK: Rewriting

    @Test(
        "A destination that nft rewrites shows in the rules, and in the reply tuple after they are gone"
    )
    func translation() throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            let order = try FactHosts.order(ports: [8080])
            let clean = try #require(Self.facts(order).rewriting)
            #expect(clean.rules.isEmpty && clean.mirrors.isEmpty)
            try hosts.sh(
                """
                nft 'table ip bad {
                    chain out {
                        type nat hook output priority -100
                        ip daddr 10.77.0.2 tcp dport 8080 counter dnat to 192.0.2.2:8080
                    }
                    chain post {
                        type nat hook postrouting priority 100
                        oifname "eth0" masquerade
                    }
                }'
                """)
            try hosts.python(
                "s = socket.create_server(('192.0.2.2', 8080)); ", there: true)
            try hosts.python("c = socket.create_connection(('10.77.0.2', 8080))")
            let facts = Self.facts(order)
            let rewriting = try #require(facts.rewriting)
            #expect(rewriting.digest != clean.digest)
            #expect(rewriting.rules.map(\.kind) == [.dnat, .snat])
            #expect(rewriting.rules.map(\.place) == ["ip bad out", "ip bad post"])
            #expect(rewriting.rules.first?.ports == [8080])
            #expect(
                rewriting.rules.first?.destinations == [try #require(IPPrefix("10.77.0.2/32"))])
            #expect(rewriting.rules.first?.text.hasSuffix("dnat to 192.0.2.2:8080") == true)
            // What was counted meanwhile makes no other ruleset.
            try hosts.python("c = socket.create_connection(('10.77.0.2', 8080))")
            #expect(Self.facts(order).rewriting?.digest == rewriting.digest)
            try hosts.sh("nft delete table ip bad")
            let later = Self.facts(order)
            #expect(later.rewriting?.digest == clean.digest)
            let tracked = try #require(later.tracked?.first { $0.isTranslated })
            #expect(tracked.ipProtocol == 6)
            #expect(tracked.destination == SocketEndpoint("10.77.0.2:8080"))
            #expect(tracked.replySource == SocketEndpoint("192.0.2.2:8080"))
            #expect(tracked.replyDestination.address == IPAddress("192.0.2.1"))
            #expect(tracked.source.address == IPAddress("10.77.0.1"))
        }
    }

    @Test("Copies by traffic control are told, wherever they hang")
    func mirrors() throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            try hosts.sh(
                """
                tc qdisc add dev eth0 clsact
                tc filter add dev eth0 egress protocol all u32 match u32 0 0 \
                    action mirred egress mirror dev mp0-home
                tc qdisc add dev mp0-home root handle 1: htb default 1
                tc class add dev mp0-home parent 1: classid 1:1 htb rate 1gbit
                tc filter add dev mp0-home parent 1:1 pref 7 protocol ip u32 match u32 0 0 \
                    action mirred egress mirror dev far
                tc filter add dev mp0-home parent 1: protocol ip u32 match u32 0 0 flowid 1:1
                tc filter add dev mp0-home parent 1: protocol ip u32 match ip dst 10.77.0.2/32 \
                    action mirred egress redirect dev eth0
                tc qdisc add dev far ingress
                tc filter add dev far ingress protocol ip u32 match u32 0 0 \
                    action mirred egress redirect dev eth0
                """)
            let told = Self.facts(try FactHosts.order()).rewriting?.mirrors ?? []
            #expect(
                told.sorted() == [
                    "eth0 egress: u32 mirred mirror to egress of mp0-home",
                    "far ingress: u32 mirred redirect to egress of eth0",
                    "mp0-home parent 1:1: u32 mirred mirror to egress of far",
                    "mp0-home parent 1:: u32 mirred redirect to egress of eth0",
                ])
        }
    }

    @Test("A table of the older iptables that nobody can read is a failure, and the rest is told")
    func legacy() throws {
        // Where its own program is here, the rules are read.
        guard Child.find("iptables-legacy-save") == nil else { return }
        try inOwnNetwork {
            let hosts = try FactHosts()
            let before = Self.facts(try FactHosts.order()).failures
            #expect(!before.contains { $0.section == "rewriting" })
            // Asking for a table (IPT_SO_GET_INFO, 64) makes it.
            try hosts.python(
                """
                import ctypes
                s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
                b = ctypes.create_string_buffer(b'nat', 84)
                n = ctypes.c_uint32(84)
                ctypes.CDLL(None).getsockopt(s.fileno(), 0, 64, b, ctypes.byref(n))
                """)
            guard try hosts.sh("cat /proc/thread-self/net/ip_tables_names").contains("nat") else {
                return
            }
            let facts = Self.facts(try FactHosts.order())
            #expect(facts.rewriting != nil)
            let failures = facts.failures.filter { $0.section == "rewriting" }
            #expect(failures.count == 1)
            #expect(failures.first?.message.contains("older iptables (nat)") == true)
        }
    }

    @Test("BPF programs on a link are told, which no listing of filters shows")
    func programs() throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            #expect(Self.facts(try FactHosts.order()).rewriting?.mirrors == [])
            // BPF_PROG_LOAD of a program that lets everything pass, and BPF_PROG_ATTACH at BPF_TCX_EGRESS.
            try hosts.python(
                """
                import ctypes, struct, platform
                c = ctypes.CDLL(None, use_errno=True)
                number = 321 if platform.machine() == 'x86_64' else 280
                code = ctypes.create_string_buffer(struct.pack('<BBhiBBhi', 0xb7, 0, 0, -1, 0x95, 0, 0, 0))
                name = ctypes.create_string_buffer(b'GPL')
                load = struct.pack('<IIQQ', 3, 2, ctypes.addressof(code), ctypes.addressof(name)) + bytes(64)
                program = c.syscall(number, 5, load, len(load))
                attach = struct.pack('<IIII', socket.if_nametoindex('eth0'), program, 47, 0) + bytes(16)
                done = c.syscall(number, 8, attach, len(attach))
                assert done == 0, ctypes.get_errno()
                """)
            #expect(
                Self.facts(try FactHosts.order()).rewriting?.mirrors == ["eth0 tcx egress: 1 BPF"])
        }
    }

    @Test("Endpoints of Multipath TCP are told")
    func multipath() throws {
        guard Files.exists("/proc/sys/net/mptcp/enabled") else { return }
        try inOwnNetwork {
            let hosts = try FactHosts()
            try hosts.sh("ip mptcp endpoint add 192.0.2.1 dev eth0 id 4 subflow")
            let told = Self.facts(try FactHosts.order()).rewriting?.multipathEndpoints
            #expect(told == ["192.0.2.1 id 4 subflow dev eth0"])
        }
    }

    // MARK: The rest

    @Test("Links, and how the node shows to others")
    func look() throws {
        try inOwnNetwork {
            let hosts = try FactHosts()
            try hosts.sh(
                """
                ip link add docker0 type bridge
                ip addr add 172.17.0.1/16 dev docker0
                ip link set docker0 address 02:42:00:00:00:01 up
                ip link set far master docker0
                """)
            try hosts.python("s = socket.create_server(('192.0.2.2', 7001))", there: true)
            try hosts.python(
                "s = socket.create_server(('192.0.2.1', 7007)); os.setuid(65534); "
                    + "c = socket.create_connection(('192.0.2.2', 7001)); "
                    + "d = socket.create_connection(('192.0.2.1', 7007))")
            let collector = Self.collector
            let look = try collector.look(node: "a")
            let face = look.face
            #expect(face.node == "a")
            #expect(face.overlay == [try #require(IPAddress("10.77.0.1"))])
            let shown = Set(face.underlay.filter { !$0.isLinkLocal }.map(\.description))
            #expect(shown == ["192.0.2.1", "2001:db8::1"])
            #expect(face.hardware.count == 1)
            #expect(try hosts.sh("ip -o link show eth0").contains(face.hardware.first ?? "none"))
            #expect(look.interfaces.map(\.name) == ["mp0-home"])
            #expect(look.interfaces.first?.kind == .foreign(kind: "veth"))
            #expect(look.clients[7001] == 65534)
            #expect(look.clients[7007] == 65534)
            let links = try #require(Self.facts(try FactHosts.order()).links)
            let own = try #require(links.first { $0.name == "eth0" })
            #expect(own.kind == "veth" && own.hardware == face.hardware.first && own.isUp)
            #expect(own.addresses.contains(try #require(IPPrefix("192.0.2.1/24"))))
            #expect(links.first { $0.name == "lo" }?.hardware == nil)
        }
    }
}

/// One way past the mesh, and how it must show.
struct RoutingCase: Sendable, CustomTestStringConvertible {
    let name: String
    let script: String
    let interface: String?
    let rules: [String]
    let strays: [String]
    let user: UInt32?
    let byUser: String?

    init(
        _ name: String, _ script: String, interface: String?, rules: [String] = [],
        strays: [String] = [], user: UInt32? = nil, byUser: String? = nil
    ) {
        self.name = name
        self.script = script
        self.interface = interface
        self.rules = rules
        self.strays = strays
        self.user = user
        self.byUser = byUser
    }

    var testDescription: String { name }
}
