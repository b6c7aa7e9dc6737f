import MeshModel

/// All flows of a capture, each counted once a device.
struct FlowTable {
    private struct Key: Hashable {
        var device: Int
        var low: SocketEndpoint?
        var high: SocketEndpoint?
        var lowNode: Int
        var highNode: Int
        var etherType: UInt16
        var ipProtocol: UInt8?
        /// Frames of one four-tuple that were taken for different things are different flows.
        var kind: WireFlow.Kind
        var isShaped: Bool
        var series: UInt16

        /// Cheap and uneven: a collision only costs the look-up.
        var slot: Int {
            let ports = UInt64(low?.port ?? 0) &* 5 &+ UInt64(high?.port ?? 0)
            let places = UInt64(truncatingIfNeeded: lowNode &* 31 &+ highNode &* 7 &+ device)
            return Int(((ports &+ places) &* 0x9e37_79b9_7f4a_7c15) >> 58)
        }
    }

    private struct Datagram: Hashable {
        var device: Int
        var source: IPAddress
        var destination: IPAddress
        var ipProtocol: UInt8
        var identification: UInt32
    }

    /// What the first piece of a datagram told of it.
    private struct Beginning {
        var record: Int
        var length: Int
        var seen: Int
        var isWireGuard: Bool
    }

    /// More than this is not kept: a flood of flows must not become a flood of facts.
    static let limit = 2048
    /// Datagrams of which the first piece is remembered, in each of two generations.
    private static let pieces = 2048

    private(set) var records: [FlowRecord] = []
    private(set) var isOverfull = false
    private var places: [Key: Int] = [:]
    private var keys: [Key] = []
    /// Places of flows seen lately.
    private var recent = [Int](repeating: -1, count: 64)
    private var beginnings: [Datagram: Beginning] = [:]
    private var olderBeginnings: [Datagram: Beginning] = [:]
    private let nodes: [String]
    private let devices: [String]

    /// Begins with nothing seen; machines and devices are given by their places in these lists.
    init(nodes: [String], devices: [String]) {
        self.nodes = nodes
        self.devices = devices
    }

    /// Counts a frame. *Units:* `length` is what there was on the wire, of which `bytes` may be less.
    mutating func take(
        _ frame: Frame, _ bytes: PacketBytes, _ sorting: Sorting, device: Int, length: Int
    ) {
        let datagram = datagram(of: frame, device)
        let place: Int
        if let datagram, let known = continued(datagram, frame, bytes) {
            place = known
        } else if let found = find(frame, bytes, sorting, device) {
            place = found
            if let datagram { begin(datagram, frame, sorting, place) }
        } else {
            return
        }
        let payload = bytes.part(frame.payload)
        records[place].flow.packets += 1
        records[place].flow.bytes += UInt64(length)
        records[place].flow.payload += UInt64(payload.count)
        if sorting.appearance == .clear && records[place].flow.appearance == .empty {
            records[place].flow.appearance = .clear
        }
        if sorting.kind == .undeclared, payload.count == 0, sorting.appearance == .clear {
            records[place].isOdd = true
        }
        if let segment = frame.segment {
            let isForward = records[place].from == sorting.pair.from
            records[place].stream?.take(segment, isForward: isForward, payload)
        }
        if !records[place].isNamed, payload.count > 0 {
            records[place].isNamed = true
            if records[place].flow.packets > 1 {
                records[place].flow.summary = PayloadSummary.text(sorting, frame, bytes)
            }
        }
    }

    private mutating func find(
        _ frame: Frame, _ bytes: PacketBytes, _ sorting: Sorting, _ device: Int
    ) -> Int? {
        let pair = sorting.pair
        let source = frame.source.map { SocketEndpoint($0, frame.sourcePort) }
        let destination = frame.destination.map { SocketEndpoint($0, frame.destinationPort) }
        let isUp = pair.from < pair.to
        let key = Key(
            device: device, low: isUp ? source : destination, high: isUp ? destination : source,
            lowNode: min(pair.from, pair.to), highNode: max(pair.from, pair.to),
            etherType: frame.etherType, ipProtocol: frame.ipProtocol, kind: sorting.kind,
            isShaped: sorting.appearance == .wireguard, series: sorting.series)
        let slot = key.slot
        if recent[slot] >= 0, keys[recent[slot]] == key { return recent[slot] }
        if let place = places[key] {
            recent[slot] = place
            return place
        }
        guard records.count < Self.limit else {
            isOverfull = true
            return nil
        }
        let flow = WireFlow(
            kind: sorting.kind, device: devices[device], from: nodes[pair.from], to: nodes[pair.to],
            source: source, destination: destination, ipProtocol: frame.ipProtocol,
            etherType: frame.etherType, packets: 0, bytes: 0, payload: 0,
            appearance: sorting.appearance,
            summary: PayloadSummary.text(sorting, frame, bytes))
        places[key] = records.count
        recent[slot] = records.count
        keys.append(key)
        records.append(
            FlowRecord(
                flow: flow, from: pair.from, to: pair.to,
                stream: frame.segment == nil ? nil : StreamStart()))
        return records.count - 1
    }

    private func datagram(of frame: Frame, _ device: Int) -> Datagram? {
        guard let fragment = frame.fragment, let source = frame.source,
            let destination = frame.destination, let ipProtocol = frame.ipProtocol
        else { return nil }
        return Datagram(
            device: device, source: source, destination: destination, ipProtocol: ipProtocol,
            identification: fragment.identification)
    }

    private mutating func begin(
        _ datagram: Datagram, _ frame: Frame, _ sorting: Sorting, _ place: Int
    ) {
        guard frame.fragment?.offset == 0 else { return }
        if beginnings.count >= Self.pieces {
            olderBeginnings = beginnings
            beginnings.removeAll(keepingCapacity: true)
        }
        beginnings[datagram] = Beginning(
            record: place, length: frame.udpLength ?? 0, seen: frame.carried.count,
            isWireGuard: sorting.kind == .wireguard || sorting.appearance == .wireguard)
    }

    /// The flow of the datagram that a later piece belongs to. A piece of WireGuard's has to lie within the length that
    /// the first one said, behind it, and look like ciphertext too.
    private func continued(_ datagram: Datagram, _ frame: Frame, _ bytes: PacketBytes) -> Int? {
        guard let fragment = frame.fragment, fragment.offset > 0,
            let beginning = beginnings[datagram] ?? olderBeginnings[datagram]
        else { return nil }
        if beginning.isWireGuard {
            let isWithin =
                fragment.offset >= beginning.seen
                && fragment.offset + frame.carried.count <= beginning.length
            guard isWithin, !frame.isMalformed, frame.options == 0,
                WireGuardShape.looksSealed(bytes.part(frame.carried))
            else { return nil }
        }
        return beginning.record
    }
}
