/// How a run deals with its nodes.
public struct RunSettings: Sendable {
    /// How many nodes are worked on at the same time.
    public var parallel = 32
    /// How long one request to one node may take. *Units:* seconds.
    public var timeout = 20.0
    /// How long a node waits for the confirmation of a change before it takes it back. *Units:* seconds.
    public var window = 60.0
    /// How long the counters of interfaces that traffic has left must stand still before they go. *Units:* seconds.
    public var calm = 2.0
    /// How long a rotation waits for nodes that fetch their new keys as mail: each asks at least every 75 s, and has to
    /// prove what it took. *Units:* seconds.
    public var mailPatience = 150.0

    /// The defaults.
    public init() {}
}
