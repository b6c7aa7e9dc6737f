import MeshModel

/// The passages of the last few addresses and ports, so that a packet of a busy flow costs no look-up of its machines.
struct RecentPassages {
    private struct Key: Equatable {
        var source: IPAddress?
        var destination: IPAddress?
        var sourceHardware: HardwareAddress?
        var destinationHardware: HardwareAddress?
        var sourcePort: UInt16
        var destinationPort: UInt16
        var ipProtocol: UInt8?

        /// Cheap and uneven: a collision only costs the look-up.
        var slot: Int {
            let places = (source?.low ?? 0) &* 3 &+ (destination?.low ?? 0)
            let ports = UInt64(sourcePort) &* 5 &+ UInt64(destinationPort)
            let mixed = (places &+ ports) &* 0x9e37_79b9_7f4a_7c15
            return Int(mixed >> 58)
        }
    }

    private var slots = [(key: Key, passage: Classifier.Passage?)?](repeating: nil, count: 64)

    /// The passage of a frame, by the classifier where it is not known yet.
    mutating func passage(of frame: Frame, _ classifier: Classifier) -> Classifier.Passage? {
        let key = Key(
            source: frame.source, destination: frame.destination,
            sourceHardware: frame.sourceHardware, destinationHardware: frame.destinationHardware,
            sourcePort: frame.sourcePort, destinationPort: frame.destinationPort,
            ipProtocol: frame.ipProtocol)
        let slot = key.slot
        if let known = slots[slot], known.key == key { return known.passage }
        let passage = classifier.passage(of: frame)
        slots[slot] = (key, passage)
        return passage
    }
}
