import MeshModel

/// Why the tunnel server is not as wanted: what `status` shows as a finding, and what ends an `up`.
struct TunnelServerFailure: Error, Codable, Equatable {
    /// The finding's code.
    var code: TunnelProblem.Code
    /// What happened, where.
    var message: String
    /// What to do next.
    var fix: String

    init(_ code: TunnelProblem.Code, _ message: String, fix: String) {
        self.code = code
        self.message = message
        self.fix = fix
    }

    /// Something that this node's administrator has to look at.
    init(_ operation: String, _ error: any Error) {
        self.init(
            .unexpected, "\(operation): \(error)",
            fix: "see the error's own words; then run `meshproof up` again")
    }

    var error: NodeError {
        NodeError(.tunnelServer, "run tunnel server", "", message, hint: fix)
    }

    func problem(at wall: Double) -> TunnelProblem {
        TunnelProblem(at: wall, code: code, message: message, fix: fix)
    }
}
