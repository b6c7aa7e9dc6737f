import MeshModel

/// What may pass between two machines, quickly found.
struct AllowList: Sendable {
    private struct Key: Hashable {
        var ipProtocol: UInt8
        var low: Int
        var high: Int
    }

    private struct Entry {
        var kind: AllowedFlow.Kind
        var low: UInt16?
        var high: UInt16?
    }

    private var entries: [Key: [Entry]] = [:]

    init(_ allowed: [AllowedFlow], _ nodes: [String]) {
        var places: [String: Int] = [:]
        for (index, node) in nodes.enumerated() { places[node] = index }
        for flow in allowed {
            guard let a = places[flow.a], let b = places[flow.b], a != b else { continue }
            let key = Key(ipProtocol: flow.ipProtocol, low: min(a, b), high: max(a, b))
            let entry = Entry(
                kind: flow.kind, low: a < b ? flow.aPort : flow.bPort,
                high: a < b ? flow.bPort : flow.aPort)
            entries[key, default: []].append(entry)
        }
    }

    /// What a packet between these ports is allowed as, or nil.
    func kind(_ pair: HostIndex.Pair, _ frame: Frame) -> AllowedFlow.Kind? {
        guard let ipProtocol = frame.ipProtocol else { return nil }
        let isUp = pair.from < pair.to
        let key = Key(
            ipProtocol: ipProtocol, low: min(pair.from, pair.to), high: max(pair.from, pair.to))
        let low = isUp ? frame.sourcePort : frame.destinationPort
        let high = isUp ? frame.destinationPort : frame.sourcePort
        return entries[key]?.first {
            ($0.low == nil || $0.low == low) && ($0.high == nil || $0.high == high)
        }?.kind
    }
}
