/// The mesh's block in a node's /etc/hosts, as it is.
public struct ObservedNames: Codable, Sendable, Equatable {
    /// How it differs from what is wanted, a line each; empty where it does not.
    public var differences: [String]
    /// What the last attempt to write it failed of; names are never a reason for anything else to fail.
    public var problem: String?

    /// Gathers the parts.
    public init(differences: [String], problem: String? = nil) {
        self.differences = differences
        self.problem = problem
    }
}
