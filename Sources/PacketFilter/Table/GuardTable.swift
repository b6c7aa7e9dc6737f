import MeshModel

/// The nftables table of a node's guard, made of what is wanted. Pure.
///
/// Everything that comes from the mesh is judged once, on arrival: after connections are looked up, so that answers are
/// known as such, and before destinations are rewritten, so that a port published by Docker is judged by what the peer
/// dialled. A verdict here is one of several: another table may still drop what this one lets pass.
struct GuardTable {
    /// The set of the mesh's interface names: every generation's, so that rotation does not touch the guard.
    static let interfaces = "interfaces"

    /// When a chain comes to its turn. *Source:* `linux/netfilter_ipv4.h`: fragments are put together at -400,
    /// connections looked up at -200, destinations rewritten at -100, and filters usually at 0.
    private enum Priority {
        static let arrive = -190
        static let filter = -10
    }

    private let name: String
    private let wanted: DesiredGuard
    private let mesh: String

    /// The table for a mesh.
    init(_ wanted: DesiredGuard, mesh: String) {
        self.wanted = wanted
        self.mesh = mesh
        name = Ownership.guardTable(mesh: mesh)
    }

    /// The table itself, without what is in it.
    static func table(_ name: String) -> JSONValue {
        ["table": ["family": "inet", "name": .string(name)]]
    }

    /// All that is in the table, in an order in which it can be made.
    ///
    /// - Parameter drops: what the counters begin with.
    private func contents(drops: [GuardDrop] = []) -> [JSONValue] {
        counters(drops) + sets + chains.map(\.json) + chains.flatMap(rules)
    }

    /// Replaces the table, whatever was there, in one transaction.
    func transaction(drops: [GuardDrop] = []) -> [JSONValue] {
        // Deleting a table that is not there fails; one that was just added can always be deleted.
        [["add": Self.table(name)], ["delete": Self.table(name)], ["add": Self.table(name)]]
            + contents(drops: drops).map { ["add": $0] }
    }

    /// What the kernel lists once the table is as wanted.
    var listing: GuardListing { GuardListing([Self.table(name)] + contents(), table: name) }

    // MARK: counters and sets

    private func counters(_ drops: [GuardDrop]) -> [JSONValue] {
        GuardDrop.Reason.allCases.map { reason in
            let drop = drops.first { $0.reason == reason }
            return object(
                "counter", reason.rawValue,
                [
                    "packets": .number(Int(clamping: drop?.packets ?? 0)),
                    "bytes": .number(Int(clamping: drop?.bytes ?? 0)),
                ])
        }
    }

    private var sets: [JSONValue] {
        let names = (0...9).map {
            JSONValue.string(DesiredInterface.name(mesh: mesh, generation: $0))
        }
        var sets = [set(Self.interfaces, "ifname", names)]
        for family in Family.all {
            let admitted = wanted.admitted.filter { $0.to.family == family.kind }
            let reachable = wanted.reachable.filter { $0.address.family == family.kind }
            sets += [
                set(
                    family.own, .string(family.type),
                    wanted.addresses.filter { $0.family == family.kind }.map(Self.element)),
                set(
                    family.edges, [.string(family.type), .string(family.type), "inet_service"],
                    admitted.map {
                        Expression.row(
                            Self.element($0.from), Self.element($0.to), .number(Int($0.port)))
                    }),
                set(
                    family.services, [.string(family.type), "inet_service"],
                    reachable.map {
                        Expression.row(Self.element($0.address), .number(Int($0.port)))
                    }),
            ]
        }
        sets.append(
            set(
                "shielded", ["inet_proto", "inet_service"],
                wanted.shielded.map {
                    Expression.row(.number($0.kind.number), .number(Int($0.port)))
                }))
        return sets
    }

    private static func element(_ address: IPAddress) -> JSONValue { .string(address.description) }

    private func set(_ name: String, _ type: JSONValue, _ elements: [JSONValue]) -> JSONValue {
        var members: [String: JSONValue] = ["type": type]
        if !elements.isEmpty { members["elem"] = .array(elements) }
        return object("set", name, members)
    }

    private func object(
        _ kind: String, _ name: String, _ members: [String: JSONValue]
    ) -> JSONValue {
        var all = members
        all["family"] = "inet"
        all["table"] = .string(self.name)
        all["name"] = .string(name)
        return .object([kind: .object(all)])
    }

    // MARK: chains

    private struct Rule {
        let comment: String
        let statements: [Expression]

        init(_ comment: String, _ statements: [Expression]) {
            self.comment = comment
            self.statements = statements
        }
    }

    private struct Chain {
        let name: String
        let json: JSONValue
        let rules: [Rule]
    }

    private func chain(
        _ name: String, hook: (String, Int)? = nil, _ rules: [Rule]
    ) -> Chain {
        var members: [String: JSONValue] = [:]
        if let hook {
            members = [
                "type": "filter", "hook": .string(hook.0), "prio": .number(hook.1),
                "policy": "accept",
            ]
        }
        return Chain(name: name, json: object("chain", name, members), rules: rules)
    }

    private func rules(of chain: Chain) -> [JSONValue] {
        chain.rules.map { rule in
            [
                "rule": [
                    "family": "inet", "table": .string(name), "chain": .string(chain.name),
                    "comment": .string(rule.comment), "expr": .array(rule.statements.map(\.json)),
                ]
            ]
        }
    }

    private var chains: [Chain] { [shield, fromMesh, arrive, deliver, pass, leave] }

    private var shield: Chain {
        chain(
            "shield",
            [
                // A client of this host may happen to have the port of a service.
                Rule("answers to connections of this host", [.isAnswer, .accept]),
                Rule("a declared service, from outside its transport", Expression.drop(.shield)),
            ])
    }

    private var fromMesh: Chain {
        var rules = [Rule("answers", [.isAnswer, .accept])]
        rules += pings("ICMP within the mesh")
        for family in Family.all {
            let row = Expression.row(family.source, family.destination, Self.tcp("dport"))
            rules.append(
                Rule("declared edges", [.match(row, .string("@\(family.edges)")), .accept]))
        }
        // Connections that stood before the guard did are not known: without these two they would hang where only the
        // service has something to say.
        for family in Family.all {
            let row = Expression.row(family.source, Self.tcp("sport"))
            rules.append(
                Rule(
                    "what services answer that edges of this node go to",
                    [.match(row, .string("@\(family.services)")), .isNoOpening, .accept]))
        }
        if wanted.admitted.contains(where: { !wanted.addresses.contains($0.to) }) {
            for family in Family.all {
                let row = Expression.row(family.destination, family.source, Self.tcp("sport"))
                rules.append(
                    Rule(
                        "answers that pass this hub",
                        [.match(row, .string("@\(family.edges)")), .isNoOpening, .accept]))
            }
        }
        if let port = wanted.managementPort {
            for family in Family.all {
                rules.append(
                    Rule(
                        "management through the mesh",
                        [
                            .match(family.destination, .string("@\(family.own)")),
                            .match(Self.tcp("dport"), .number(Int(port))), .accept,
                        ]))
            }
        }
        // Every `up` sends some: counted, they would make every count a false alarm.
        rules.append(
            Rule(
                "a greeting, which has done its work in WireGuard",
                [
                    .match(Expression.payload("udp", "dport"), .number(Int(Ownership.nudgePort))),
                    .drop,
                ]))
        rules.append(Rule("no edge declares it", Expression.drop(.undeclared)))
        return chain("from-mesh", rules)
    }

    /// Prerouting.
    private var arrive: Chain {
        var rules = [
            Rule("this host itself", [.match(Expression.meta("iifname"), "lo"), .accept]),
            Rule("the mesh", Expression.fromMesh + [.goto("from-mesh")]),
        ]
        rules += strangers()
        for network in wanted.networks {
            let family = Family(network.address.family)
            rules.append(
                Rule(
                    "an overlay address from outside the mesh",
                    [.match(family.source, Expression.network(network))]
                        + Expression.drop(.weakHost)))
        }
        rules += [
            otherMesh("iifgroup"),
            Rule(
                "declared services",
                [.isForThisHost, Self.isShielded("th", "dport"), .goto("shield")]),
        ]
        return chain("arrive", hook: ("prerouting", Priority.arrive), rules)
    }

    /// Input: the same again for what a foreign rule has redirected meanwhile.
    private var deliver: Chain {
        chain(
            "deliver", hook: ("input", Priority.filter),
            [
                Rule("this host itself", [.match(Expression.meta("iifname"), "lo"), .accept]),
                Rule("the mesh, judged on arrival", Expression.fromMesh + [.accept]),
            ] + strangers() + [
                otherMesh("iifgroup"),
                Rule("declared services", [Self.isShielded("th", "dport"), .goto("shield")]),
            ])
    }

    /// Forward: what containers of this host, or machines behind it, send into the mesh.
    private var pass: Chain {
        var rules = [
            Rule(
                "not into the mesh",
                [
                    .match(
                        Expression.meta("oifname"), .string("@\(Self.interfaces)"), not: true),
                    .accept,
                ]),
            Rule("the mesh, judged on arrival", Expression.fromMesh + [.accept]),
            Rule("answers", [.isAnswer, .accept]),
        ]
        rules += pings("ICMP into the mesh")
        for family in Family.all {
            let row = Expression.row(family.destination, Self.tcp("dport"))
            rules.append(
                Rule(
                    "edges of this node, for its containers",
                    [.match(row, .string("@\(family.services)")), .accept]))
        }
        rules.append(Rule("no edge of this node declares it", Expression.drop(.forward)))
        return chain("pass", hook: ("forward", Priority.filter), rules)
    }

    /// Postrouting: the one place where the interface is the one that the packet really leaves by, also after foreign
    /// rules have sent it elsewhere.
    private var leave: Chain {
        var rules = [
            Rule("this host itself", [.match(Expression.meta("oifname"), "lo"), .accept]),
            Rule("the mesh", Expression.toMesh + [.accept]),
        ]
        for network in wanted.networks {
            let family = Family(network.address.family)
            let value = Expression.network(network)
            rules += [
                Rule(
                    "the overlay, by another way than the mesh",
                    [.match(family.destination, value)] + Expression.drop(.failClosed)),
                Rule(
                    "the overlay, redirected out of the mesh",
                    [
                        .match(Expression.connection("direction"), "original"),
                        .match(family.dialled, value),
                        .match(family.dialled, .string("@\(family.own)"), not: true),
                    ] + Expression.drop(.failClosed)),
            ]
        }
        rules += [
            otherMesh("oifgroup"),
            // An outsider's connection that stood before the guard did would otherwise be taken for one of this host's.
            Rule(
                "a declared service, in a connection nobody knows",
                [.isUnknown, .isNoOpening, Self.isShielded("tcp", "sport")]
                    + Expression.drop(.shield)),
        ]
        return chain("leave", hook: ("postrouting", Priority.filter), rules)
    }

    // MARK: rules that several chains have

    /// The weak host model: Linux takes a packet for an address of any interface on every interface.
    private func strangers() -> [Rule] {
        Family.all.map { family in
            Rule(
                "this node's overlay address, from outside the mesh",
                [.match(family.destination, .string("@\(family.own)"))]
                    + Expression.drop(.weakHost))
        }
    }

    private func pings(_ comment: String) -> [Rule] {
        wanted.networks.map { network in
            let family = Family(network.address.family)
            return Rule(
                comment,
                [
                    .match(Expression.meta("l4proto"), .number(family.icmp)),
                    .match(family.destination, Expression.network(network)), .accept,
                ])
        }
    }

    /// Meshes share the group, and each mesh's own guard judges what comes by its interface.
    private func otherMesh(_ key: String) -> Rule {
        Rule(
            "another mesh's, which has a guard of its own",
            [.match(Expression.meta(key), .number(Int(Ownership.linkGroup))), .accept])
    }

    /// libnftables calls the header `th` where a rule has not said which protocol it is about.
    private static func isShielded(_ header: String, _ port: String) -> Expression {
        .match(
            Expression.row(Expression.meta("l4proto"), Expression.payload(header, port)),
            "@shielded")
    }

    private static func tcp(_ field: String) -> JSONValue { Expression.payload("tcp", field) }
}

/// What is different between IPv4 and IPv6.
private struct Family {
    let kind: IPAddress.Family

    static let all = [Family(.ipv4), Family(.ipv6)]

    init(_ kind: IPAddress.Family) { self.kind = kind }

    private var header: String { kind == .ipv4 ? "ip" : "ip6" }
    var type: String { kind == .ipv4 ? "ipv4_addr" : "ipv6_addr" }
    var own: String { "own\(kind.rawValue)" }
    var edges: String { "edges\(kind.rawValue)" }
    var services: String { "services\(kind.rawValue)" }
    var source: JSONValue { Expression.payload(header, "saddr") }
    var destination: JSONValue { Expression.payload(header, "daddr") }
    /// The protocol's number. *Source:* IANA: ICMP 1, ICMPv6 58.
    var icmp: Int { kind == .ipv4 ? 1 : 58 }
    /// The destination as it was before anybody rewrote it.
    var dialled: JSONValue {
        ["ct": ["key": .string("\(header) daddr"), "dir": "original"]]
    }
}

extension ShieldedPort.Kind {
    /// The protocol's number. *Source:* IANA: TCP 6, UDP 17.
    var number: Int { self == .tcp ? 6 : 17 }
}
