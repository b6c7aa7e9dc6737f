/// How a run deals with its nodes.
public struct RunSettings: Sendable {
    /// How many nodes are worked on at the same time.
    public var parallel = 32
    /// How long one request to one node may take. *Units:* seconds.
    public var timeout = 20.0
    /// How long a node waits for the confirmation of a change before it takes it back. *Units:* seconds.
    public var window = 60.0

    /// The defaults.
    public init() {}
}
