import MeshModel

/// One flow as it grows.
struct FlowRecord {
    var flow: WireFlow
    /// Which of the two machines ``WireFlow/from`` is.
    var from: Int
    var to: Int
    /// How its connections begin, where it is TCP.
    var stream: StreamStart?
    /// Whether the summary is of a payload, so that no more is to be looked for.
    var isNamed = false
    /// Whether it has bytes where none belong: in options, or behind the packet.
    var isOdd = false

    /// What it comes to, once all of it has been seen.
    func result(_ learnt: LearntEndpoints) -> WireFlow {
        var flow = flow
        switch flow.kind {
        case .tunnel where stream?.isNotSSH == true, .management where stream?.isNotSSH == true:
            reject(&flow, stream?.appearance, "not SSH")
        case .tls where stream?.isNotTLS == true:
            reject(&flow, stream?.appearance, "not TLS")
        // Clear where its beginning was not seen: then nothing says that it is TLS.
        case .tls: flow.appearance = stream?.appearance ?? flow.appearance
        case .neighbour where flow.payload > NeighbourTraffic.echoLimit * flow.packets && isEcho:
            reject(&flow, .clear, "large")
        case .wireguard where !learnt.admits(flow):
            reject(&flow, .wireguard, "not the peer's endpoint")
        case .undeclared:
            flow.appearance = isOdd ? .clear : stream?.appearance ?? flow.appearance
            flow.isAttempt = flow.appearance == .empty && stream?.isAttempt == true
        default: break
        }
        return flow
    }

    private var isEcho: Bool { flow.summary.hasSuffix("echo") }

    private func reject(
        _ flow: inout WireFlow, _ appearance: WireFlow.Appearance?, _ reason: String
    ) {
        flow.kind = .undeclared
        flow.appearance = appearance ?? .clear
        flow.summary += ", \(reason)"
    }
}
