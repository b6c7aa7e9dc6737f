/// Two nodes that are WireGuard peers, in name order, so that each pair has one value.
public struct Peering: Hashable, Sendable, Comparable {
    /// The name that sorts first.
    public let a: String
    /// The name that sorts last.
    public let b: String

    /// The pair of two different nodes, in either order.
    public init(_ one: String, _ other: String) {
        (a, b) = one < other ? (one, other) : (other, one)
    }

    /// The pair of names that are known to be in order.
    init(ordered a: String, _ b: String) {
        (self.a, self.b) = (a, b)
    }

    /// By names.
    public static func < (left: Peering, right: Peering) -> Bool {
        (left.a, left.b) < (right.a, right.b)
    }
}
