/// Where a run says what it is doing. Called from many threads.
public protocol Progress: Sendable {
    /// A node is now at `phase`, for instance `connecting`.
    func working(_ node: String, _ phase: String)
    /// A node is through; `text` says with what.
    func finished(_ node: String, _ text: String, good: Bool)
    /// Something about the run as a whole.
    func note(_ text: String)
}

/// Says nothing.
public struct NoProgress: Progress {
    /// Makes the sink.
    public init() {}
    /// Ignored.
    public func working(_ node: String, _ phase: String) {}
    /// Ignored.
    public func finished(_ node: String, _ text: String, good: Bool) {}
    /// Ignored.
    public func note(_ text: String) {}
}
