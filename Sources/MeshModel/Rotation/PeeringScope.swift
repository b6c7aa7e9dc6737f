/// Some of a mesh's peerings: those that touch one of these nodes, and these pairs.
public struct PeeringScope: Sendable, Equatable {
    /// All peerings of these are meant.
    public var nodes: Set<String>
    /// These are meant too.
    public var pairs: Set<Peering>

    /// Gathers both.
    public init(nodes: Set<String> = [], pairs: Set<Peering> = []) {
        self.nodes = nodes
        self.pairs = pairs
    }

    /// Whether a peering is meant.
    public func touches(_ pair: Peering) -> Bool {
        nodes.contains(pair.a) || nodes.contains(pair.b) || pairs.contains(pair)
    }

    /// `ant, bee and gpu-nas`, for people.
    public var text: String {
        (nodes.sorted() + pairs.sorted().map { "\($0.a)-\($0.b)" }).joined(separator: ", ")
    }
}

/// *Shape:* `{"nodes": [NAME…], "pairs": [[A, B]…]}`, sorted, so that equal scopes are equal text.
extension PeeringScope: Codable {
    private enum Key: String, CodingKey { case nodes, pairs }

    /// Reads that shape.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        nodes = Set(try fields.decode([String].self, forKey: .nodes))
        let names = try fields.decode([[String]].self, forKey: .pairs)
        pairs = Set(
            try names.map { pair in
                guard pair.count == 2 else {
                    throw DecodingError.dataCorruptedError(
                        forKey: .pairs, in: fields, debugDescription: "a pair is two names")
                }
                return Peering(pair[0], pair[1])
            })
    }

    /// Writes that shape.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(nodes.sorted(), forKey: .nodes)
        try fields.encode(pairs.sorted().map { [$0.a, $0.b] }, forKey: .pairs)
    }
}
