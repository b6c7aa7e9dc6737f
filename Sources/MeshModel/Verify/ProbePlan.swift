/// Who puts which probes in a run.
public struct ProbePlan: Sendable, Equatable {
    /// Probes by the node that puts them.
    public var nodes: [String: [ProbeOrder]] = [:]
    /// Probes that the controller puts itself.
    public var controller: [ProbeOrder] = []
    /// `forbid` lines by what tries them: the ids of the probes.
    public var forbidden: [ForbidCase] = []
}

/// One `forbid` line and how it is tried.
public struct ForbidCase: Codable, Sendable, Equatable {
    /// `phone->postgres`.
    public var id: String
    /// The node that would have to be refused.
    public var from: String
    /// The node on which nothing may be reached.
    public var to: String
    /// Whether the line can be tried: its first node runs an agent and answered.
    public var isTried: Bool
    /// Whether the guard that `to` is to have shields every service of the line, and admits nothing from `from`.
    public var isGuarded: Bool

    /// Gathers the parts.
    public init(id: String, from: String, to: String, isTried: Bool, isGuarded: Bool) {
        self.id = id
        self.from = from
        self.to = to
        self.isTried = isTried
        self.isGuarded = isGuarded
    }
}
