import MeshModel

/// Why a session could not be made, or ended.
struct TunnelFailure: Error {
    let problem: TunnelProblem
    /// Whether trying again soon would only fail in the same way.
    let isLasting: Bool

    init(_ problem: TunnelProblem, isLasting: Bool) {
        self.problem = problem
        self.isLasting = isLasting
    }

    init(_ error: SSHError, at now: Double) {
        let code: TunnelProblem.Code
        switch error.code {
        case .resolve: code = .unresolved
        case .refused: code = .notListening
        case .unreachable, .timeout, .command: code = .unreachable
        case .unknownHostKey, .changedHostKey, .revokedHostKey: code = .hostKey
        case .negotiation: code = .negotiation
        case .authentication: code = .authentication
        case .lost: code = .lost
        case .file: code = .clientKey
        case .configuration, .library: code = .unexpected
        }
        problem = TunnelProblem(
            at: now, code: code, message: "\(error.operation) \(error.subject): \(error.detail)",
            fix: TunnelFailure.fix(code) ?? error.hint ?? "run meshproof status again in a minute")
        switch code {
        case .hostKey, .negotiation, .authentication, .clientKey, .unexpected: isLasting = true
        default: isLasting = false
        }
    }

    /// What to do where the words for people at a terminal would mislead.
    private static func fix(_ code: TunnelProblem.Code) -> String? {
        switch code {
        case .unresolved: "check the node's endpoint in the topology, and /etc/resolv.conf here"
        case .notListening: "is the agent on that node running? see meshproof status"
        case .unreachable: "is the node up, and does a firewall let this port through?"
        case .lost: "nothing, if the tunnel is up again; otherwise check the node and the network"
        default: nil
        }
    }
}
