import MeshModel

/// One statement of a rule, in libnftables' JSON. *Source:* libnftables-json(5).
struct Expression {
    let json: JSONValue

    private init(_ json: JSONValue) { self.json = json }

    // MARK: what a packet is compared by

    /// A field of the packet.
    static func payload(_ header: String, _ field: String) -> JSONValue {
        ["payload": ["protocol": .string(header), "field": .string(field)]]
    }

    /// Something the kernel knows about the packet.
    static func meta(_ key: String) -> JSONValue { ["meta": ["key": .string(key)]] }

    /// Something of the packet's connection.
    static func connection(_ key: String) -> JSONValue { ["ct": ["key": .string(key)]] }

    /// Several in a row, as the elements of a set are.
    static func row(_ parts: JSONValue...) -> JSONValue { ["concat": .array(parts)] }

    /// A network to compare an address with; a single address stands for itself.
    static func network(_ network: IPPrefix) -> JSONValue {
        let base = network.network
        if base.isHost { return .string(base.address.description) }
        return [
            "prefix": [
                "addr": .string(base.address.description), "len": .number(Int(base.length)),
            ]
        ]
    }

    // MARK: matches

    /// Holds where `left` is `right`, or in the set that `right` names with an `@`.
    static func match(_ left: JSONValue, _ right: JSONValue, not: Bool = false) -> Expression {
        Expression(["match": ["op": not ? "!=" : "==", "left": left, "right": right]])
    }

    /// Holds for packets that came by the mesh's interface, both by name and by group.
    static let fromMesh = [
        match(meta("iifname"), .string("@\(GuardTable.interfaces)")),
        match(meta("iifgroup"), .number(Int(Ownership.linkGroup))),
    ]

    /// Holds for packets that leave by the mesh's interface.
    static let toMesh = [
        match(meta("oifname"), .string("@\(GuardTable.interfaces)")),
        match(meta("oifgroup"), .number(Int(Ownership.linkGroup))),
    ]

    /// Holds for packets that answer a connection, and not for those of the side that opened it.
    static let isAnswer = match(connection("direction"), "reply")

    /// Holds for TCP segments that open no connection.
    static let isNoOpening = match(
        ["&": [payload("tcp", "flags"), ["fin", "syn", "rst", "ack"]]], "syn", not: true)

    /// Holds for the first packet of a connection that the kernel does not know yet.
    static let isUnknown = Expression([
        "match": ["op": "in", "left": connection("state"), "right": "new"]
    ])

    /// Holds where the destination is an address of this host.
    static let isForThisHost = match(["fib": ["result": "type", "flags": ["daddr"]]], "local")

    // MARK: what happens

    /// Lets it pass this chain.
    static let accept = Expression(["accept": .null])

    /// Drops it without a word.
    static let drop = Expression(["drop": .null])

    /// Goes on in another chain, and does not come back.
    static func goto(_ chain: String) -> Expression {
        Expression(["goto": ["target": .string(chain)]])
    }

    /// Counts it and drops it.
    static func drop(_ reason: GuardDrop.Reason) -> [Expression] {
        [Expression(["counter": .string(reason.rawValue)]), drop]
    }
}
