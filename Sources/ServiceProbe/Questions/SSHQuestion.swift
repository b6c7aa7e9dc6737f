import MeshModel
import SSHTunnel

/// Questions to a tunnel server, which it is to answer with no.
enum SSHQuestion {
    /// A login with a key that is made for the moment.
    static func stranger(_ attempt: Attempt, user: String) throws(ProbeEnd) -> ProbeEnd {
        guard case .tcp(let server) = attempt.order.target else {
            throw ProbeEnd(.failed, "a tunnel server has no unix socket")
        }
        return try ask { () throws(SSHError) in
            try TunnelTrial.logInAsStranger(
                at: server, user: user, timeout: attempt.order.timeout)
        }
    }

    /// A channel that the node's own key is not granted.
    static func elsewhere(
        _ attempt: Attempt, _ tunnel: DesiredTunnel, identityFile: String?
    ) throws(ProbeEnd) -> ProbeEnd {
        if attempt.order.target == tunnel.target {
            throw ProbeEnd(.failed, "\(tunnel.target) is what the tunnel is for")
        }
        guard let identityFile else {
            throw ProbeEnd(.failed, "this node has no key for \(tunnel.edge): run meshproof up")
        }
        return try ask { () throws(SSHError) in
            try TunnelTrial.open(
                attempt.order.target, through: tunnel, identityFile: identityFile,
                timeout: attempt.order.timeout)
        }
    }

    private static func ask(
        _ question: () throws(SSHError) -> TunnelTrial.Answer
    ) throws(ProbeEnd) -> ProbeEnd {
        do throws(SSHError) {
            switch try question() {
            case .allowed(let words): return ProbeEnd(.answered, words)
            case .refused(let words): return ProbeEnd(.refused, words)
            }
        } catch {
            throw ProbeEnd(outcome(error), error.detail)
        }
    }

    private static func outcome(_ error: SSHError) -> ProbeFact.Outcome {
        switch error.code {
        case .refused: .closed
        case .timeout: .silent
        // Without a number of the kernel's it was reached, and hung up or does not speak SSH.
        case .unreachable: error.errno == 0 ? .garbled : .unreachable
        case .lost: .garbled
        default: .failed
        }
    }
}
