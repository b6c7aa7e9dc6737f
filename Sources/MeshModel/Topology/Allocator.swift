/// The steps of ``OverlayAllocation``, over one table of who has what.
struct Allocator {
    private let nodes: [Node]
    private let networks: [IPPrefix]
    private let existing: [String: [IPAddress]]
    private let present: Set<String>
    /// One slot a network, in the order of `networks`.
    private var slots: [[IPAddress?]]
    private var holder: [IPAddress: String] = [:]
    /// Per network, the number below which every address is known to be taken.
    private var cursor: [UInt64]
    /// The number below which no number is free in every network at once.
    private var commonCursor: UInt64 = 1

    init(_ topology: Topology, existing: [String: [IPAddress]]) {
        nodes = topology.nodes
        networks = topology.mesh.networks.sorted()
        self.existing = existing
        present = Set(topology.nodes.map(\.name))
        slots = nodes.map { [networks] _ in [IPAddress?](repeating: nil, count: networks.count) }
        cursor = [UInt64](repeating: 1, count: networks.count)
    }

    /// Pinned addresses first: they are the operator's word. One that another node of the mesh already has
    /// is refused, since the other would have to move; a tombstone gives way.
    mutating func keepPinned() throws(AllocationError) {
        var owners: [IPAddress: String] = [:]
        for node in nodes {
            for address in existing[node.name] ?? [] { owners[address] = node.name }
        }
        let pins = Dictionary(
            nodes.map { ($0.name, $0.addresses) }, uniquingKeysWith: { one, _ in one })
        for (position, node) in nodes.enumerated() {
            for address in node.addresses {
                guard let slot = networks.firstIndex(where: { $0.contains(address) }) else {
                    continue
                }
                // An owner that is pinned elsewhere in the same family moves by its own operator's word.
                let owner = owners[address].flatMap { name in
                    pins[name]?.contains { $0.family == address.family && $0 != address } == true
                        ? nil : name
                }
                if let taken = holder[address] ?? owner, taken != node.name {
                    throw AllocationError(
                        code: .addressTaken, node: node.name, subject: address.description,
                        hint: "\(taken) already has it: pin another, or pin \(taken) elsewhere too")
                }
                slots[position][slot] = address
                holder[address] = node.name
            }
        }
    }

    mutating func keepExisting() {
        for (position, node) in nodes.enumerated() {
            for address in existing[node.name] ?? [] where holder[address] == nil {
                guard
                    let slot = networks.firstIndex(where: {
                        OverlayAllocation.isUsable(address, in: $0)
                    }), slots[position][slot] == nil
                else { continue }
                slots[position][slot] = address
                holder[address] = node.name
            }
        }
        for (name, addresses) in existing where !present.contains(name) {
            for address in addresses where holder[address] == nil { holder[address] = name }
        }
    }

    mutating func fill() throws(AllocationError) {
        for position in nodes.indices where slots[position].contains(where: { $0 == nil }) {
            let missing = slots[position].indices.filter { slots[position][$0] == nil }
            let known = slots[position].indices.compactMap { slot in
                slots[position][slot].flatMap { number(of: $0, in: networks[slot]) }
            }
            if let number = known.isEmpty ? commonNumber() : known.first {
                for slot in missing {
                    if let address = free(number, in: slot) { take(address, position, slot) }
                }
            }
            for slot in missing where slots[position][slot] == nil {
                guard let address = firstFree(in: slot) else {
                    throw AllocationError(
                        code: .networkFull, node: nodes[position].name,
                        subject: networks[slot].description,
                        hint:
                            "widen mesh.network; the address of a removed node is free 30 days later"
                    )
                }
                take(address, position, slot)
            }
        }
    }

    func result() -> OverlayAllocation {
        var addresses: [String: [IPAddress]] = [:]
        var changed: [String] = []
        for (position, node) in nodes.enumerated() {
            let own = slots[position].compactMap { $0 }
            addresses[node.name] = own
            if own != existing[node.name]?.sorted() { changed.append(node.name) }
        }
        var tombstones: [String: [IPAddress]] = [:]
        for (name, old) in existing where !present.contains(name) {
            let held = old.filter { holder[$0] == name }
            if !held.isEmpty { tombstones[name] = held }
        }
        return OverlayAllocation(addresses: addresses, tombstones: tombstones, changed: changed)
    }

    private mutating func take(_ address: IPAddress, _ position: Int, _ slot: Int) {
        slots[position][slot] = address
        holder[address] = nodes[position].name
    }

    /// The address's distance from its network's own, where that fits 64 bits.
    private func number(of address: IPAddress, in network: IPPrefix) -> UInt64? {
        let base = network.network.address
        guard address.high == base.high, address.low >= base.low else { return nil }
        return address.low - base.low
    }

    private func free(_ number: UInt64, in slot: Int) -> IPAddress? {
        guard let address = networks[slot].network.address.advanced(by: number),
            OverlayAllocation.isUsable(address, in: networks[slot]), holder[address] == nil
        else { return nil }
        return address
    }

    /// The lowest number that is free in every network, so that 10.77.0.9 and fd77::9 go together.
    private mutating func commonNumber() -> UInt64? {
        guard let narrowest = networks.min(by: { $0.bitsLeft < $1.bitsLeft }) else { return nil }
        while let address = narrowest.network.address.advanced(by: commonCursor),
            narrowest.contains(address)
        {
            if networks.indices.allSatisfy({ free(commonCursor, in: $0) != nil }) {
                return commonCursor
            }
            commonCursor += 1
        }
        return nil
    }

    /// The first free address; the cursor makes allocating a whole mesh linear.
    private mutating func firstFree(in slot: Int) -> IPAddress? {
        let network = networks[slot]
        while let address = network.network.address.advanced(by: cursor[slot]),
            network.contains(address)
        {
            if let found = free(cursor[slot], in: slot) { return found }
            cursor[slot] += 1
        }
        return nil
    }
}

extension IPPrefix {
    /// How many bits of the address are free.
    fileprivate var bitsLeft: Int { address.family.bits - Int(length) }
}
