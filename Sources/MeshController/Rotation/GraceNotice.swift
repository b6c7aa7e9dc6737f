import MeshModel

/// A node without an agent that has to be given a new configuration.
public struct GraceNotice: Codable, Sendable, Equatable {
    /// Which node.
    public var node: String
    /// When it is cut off. *Units:* seconds since 1970.
    public var until: Double
    /// What is so and what to do, for people.
    public var message: String

    /// Says it of a node.
    public init(node: String, until: Double) {
        self.node = node
        self.until = until
        message =
            "\(node): fetch its new configuration until \(Timestamp.text(until)): meshproof peer show \(node) --qr"
    }

    /// Those that an open rotation waits for.
    static func all(_ open: OpenRotation?) -> [GraceNotice] {
        guard let open, open.progress.isInGrace, let grace = open.plan.grace,
            let until = grace.until
        else { return [] }
        return grace.waiting.map { GraceNotice(node: $0, until: until) }
    }
}
