package import MeshModel

/// Looks at frames one after the other and sums up what they showed. Pure: devices, order and frames come from outside.
package struct Examiner {
    /// A device that frames come from.
    package struct Device: Sendable {
        /// Its name.
        package var name: String
        /// What it is to the mesh.
        package var role: DeviceCapture.Role
        /// *Units:* bytes; 0 where it is not known.
        package var mtu: Int

        /// Gathers the parts.
        package init(name: String, role: DeviceCapture.Role, mtu: Int) {
            self.name = name
            self.role = role
            self.mtu = mtu
        }
    }

    private struct Place: Hashable {
        var text: String
        var device: Int
    }

    /// More sightings than this are not kept.
    static let limit = 2048

    private let devices: [Device]
    private let classifier: Classifier
    private let search: CanarySearch
    private var recent = RecentPassages()
    private var flows: FlowTable
    private var canaries: [CanarySighting] = []
    private var canaryPlaces: [Place: Int] = [:]
    private var controls: [Place: UInt64] = [:]
    private var isOverfull = false

    /// Begins with nothing seen.
    package init(_ order: WitnessOrder, devices: [Device]) {
        self.devices = devices
        classifier = Classifier(order)
        search = CanarySearch(prefix: order.canaryPrefix)
        flows = FlowTable(nodes: classifier.hosts.nodes, devices: devices.map(\.name))
    }

    /// Looks at one frame of a device, by its place in the list. *Units:* `length` is what there was on the wire.
    package mutating func take(
        _ raw: UnsafeRawBufferPointer, link: Frame.Link, device: Int, length: Int
    ) {
        let bytes = PacketBytes(raw)
        let frame = Frame(bytes, link: link)
        lookForCanaries(frame, bytes, device)
        if let node = classifier.control(frame, bytes) {
            controls[Place(text: node, device: device), default: 0] += 1
        }
        // Between machines and inside the mesh everything may be in clear.
        if devices[device].role == .inside { return }
        guard let passage = recent.passage(of: frame, classifier) else { return }
        let sorting = classifier.sort(frame, bytes, passage, mtu: devices[device].mtu)
        flows.take(frame, bytes, sorting, device: device, length: length)
    }

    private mutating func lookForCanaries(_ frame: Frame, _ bytes: PacketBytes, _ device: Int) {
        var found: [String] = []
        search.each(bytes) { canary in
            let text = String(decoding: canary.raw, as: UTF8.self)
            if !found.contains(text) { found.append(text) }
        }
        for canary in found {
            let place = Place(text: canary, device: device)
            if let known = canaryPlaces[place] {
                canaries[known].packets += 1
                continue
            }
            guard canaries.count < Self.limit else {
                isOverfull = true
                continue
            }
            canaryPlaces[place] = canaries.count
            canaries.append(
                CanarySighting(
                    canary: canary, device: devices[device].name, role: devices[device].role,
                    packets: 1,
                    source: frame.source.map { SocketEndpoint($0, frame.sourcePort) },
                    destination: frame.destination.map {
                        SocketEndpoint($0, frame.destinationPort)
                    }, summary: PayloadSummary.text(frame, bytes)))
        }
    }

    /// What all frames came to. A device within the host, on which machines of the mesh were seen to speak with each
    /// other, leads to other machines after all.
    package func facts(_ captures: [DeviceCapture], _ learnt: LearntEndpoints) -> CaptureFacts {
        let results = flows.records.map { $0.result(learnt) }
        let leading = Set(results.map(\.device))
        func role(_ name: String, _ role: DeviceCapture.Role) -> DeviceCapture.Role {
            role == .inner && leading.contains(name) ? .underlay : role
        }
        return CaptureFacts(
            devices: captures.map {
                var capture = $0
                capture.role = role(capture.name, capture.role)
                return capture
            },
            flows: results,
            canaries: canaries.map {
                var sighting = $0
                sighting.role = role(sighting.device, sighting.role)
                return sighting
            },
            controls: controls.map {
                ControlSighting(
                    from: $0.key.text, device: devices[$0.key.device].name, packets: $0.value)
            }.sorted { ($0.from, $0.device) < ($1.from, $1.device) },
            isOverfull: isOverfull || flows.isOverfull)
    }
}
