package import MeshModel

/// Sorts frames: whether one passes between two machines of the mesh, and what it is allowed as. An allowlist: whatever
/// is not known for something that is allowed, in exactly the shape that it has, is undeclared.
package struct Classifier: Sendable {
    /// The machines.
    package let hosts: HostIndex
    private let allowed: AllowList
    private let controls: [[UInt8]]

    /// Makes it for an order.
    package init(_ order: WitnessOrder) {
        hosts = HostIndex(order.hosts)
        allowed = AllowList(order.allowed, hosts.nodes)
        controls = hosts.nodes.map { Array((order.controlPrefix + $0).utf8) }
    }

    /// What the addresses and ports of a frame say by themselves.
    package struct Passage: Hashable, Sendable {
        var pair: HostIndex.Pair
        var allowed: AllowedFlow.Kind?
    }

    /// Between which machines a frame passes, and what may be between these ports; nil where it is not two of the mesh's.
    package func passage(of frame: Frame) -> Passage? {
        guard let pair = hosts.pair(of: frame) else { return nil }
        return Passage(pair: pair, allowed: pair.isPlain ? allowed.kind(pair, frame) : nil)
    }

    /// What a frame is, or nil where it does not pass between two machines of the mesh.
    package func sort(_ frame: Frame, _ bytes: PacketBytes, mtu: Int = 0) -> Sorting? {
        passage(of: frame).map { sort(frame, bytes, $0, mtu: mtu) }
    }

    /// What a frame is of which the passage is known.
    ///
    /// - Parameter mtu: the device's, see ``WireGuardShape/init(payload:udpLength:mtu:)``.
    package func sort(
        _ frame: Frame, _ bytes: PacketBytes, _ passage: Passage, mtu: Int
    ) -> Sorting {
        let pair = passage.pair
        if let kind = permitted(frame, bytes, passage, mtu) {
            let series = kind == .neighbour ? NeighbourTraffic.echo(frame, bytes) : nil
            return Sorting(pair: pair, kind: kind, appearance: .clear, series: series ?? 0)
        }
        let payload = bytes.part(frame.payload)
        var appearance = WireFlow.Appearance.clear
        if payload.count == 0 && frame.isIP && isWhole(frame, bytes) {
            appearance = .empty
        } else if isShaped(frame, bytes, mtu) {
            appearance = .wireguard
        }
        return Sorting(pair: pair, kind: .undeclared, appearance: appearance)
    }

    /// The node whose control datagram a frame is, or nil. *Shape:* UDP to port 9, and exactly the order's text.
    package func control(_ frame: Frame, _ bytes: PacketBytes) -> String? {
        guard frame.ipProtocol == 17, frame.destinationPort == 9, isWhole(frame, bytes) else {
            return nil
        }
        let payload = bytes.part(frame.payload)
        for (index, text) in controls.enumerated() where text.count == payload.count {
            if text.withUnsafeBytes({ payload.has($0, 0) }) { return hosts.nodes[index] }
        }
        return nil
    }

    private func permitted(
        _ frame: Frame, _ bytes: PacketBytes, _ passage: Passage, _ mtu: Int
    ) -> WireFlow.Kind? {
        let pair = passage.pair
        if pair.isOverlay { return nil }
        if frame.trailer <= Self.filling(frame, bytes), NeighbourTraffic.name(frame, bytes) != nil {
            return .neighbour
        }
        guard pair.isPlain else { return nil }
        switch passage.allowed {
        case .wireguard where isShaped(frame, bytes, mtu): return .wireguard
        case .tunnel where isStream(frame, bytes): return .tunnel
        case .management where isStream(frame, bytes): return .management
        case .tls where isStream(frame, bytes): return .tls
        default: break
        }
        if control(frame, bytes) == hosts.nodes[pair.from] { return .control }
        return nil
    }

    private func isShaped(_ frame: Frame, _ bytes: PacketBytes, _ mtu: Int) -> Bool {
        guard frame.ipProtocol == 17, let udpLength = frame.udpLength, !frame.isMalformed,
            frame.options == 0, frame.trailer <= Self.filling(frame, bytes)
        else { return false }
        // The first of several pieces holds less than it says, never more.
        if frame.fragment != nil && frame.carried.count > udpLength { return false }
        return WireGuardShape(
            payload: bytes.part(frame.payload), udpLength: udpLength, mtu: mtu) != nil
    }

    private func isStream(_ frame: Frame, _ bytes: PacketBytes) -> Bool {
        frame.segment != nil && isWhole(frame, bytes)
    }

    private func isWhole(_ frame: Frame, _ bytes: PacketBytes) -> Bool {
        !frame.isMalformed && frame.fragment == nil && frame.options == 0
            && frame.trailer <= Self.filling(frame, bytes)
    }

    /// How many bytes behind the IP packet nobody need explain: what fills a frame up to Ethernet's 60 (and a tag), or
    /// the checksum that some devices leave there.
    private static func filling(_ frame: Frame, _ bytes: PacketBytes) -> Int {
        bytes.count <= 60 + 4 * (frame.tags + 1) ? 46 : 4
    }
}
