public import MeshModel

/// What parsing gives: the topology where there is no error, and all that is to be said about the file.
public struct ParseOutcome: Sendable, Equatable {
    /// The checked topology; nil where any diagnostic is an error.
    public let topology: Topology?
    /// Mistakes and warnings in the order of their places.
    public let diagnostics: [Diagnostic]

    /// Only the errors.
    public var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }
}
