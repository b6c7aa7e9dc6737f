package import MeshModel

/// Which machine of the mesh an address belongs to.
package struct HostIndex: Sendable {
    /// The two machines that a frame passes between, by their place in ``HostIndex/nodes``.
    package struct Pair: Hashable, Sendable {
        /// Who sent it.
        package var from: Int
        /// Who is to have it.
        package var to: Int
        /// Whether both were told by underlay addresses, and not by a hardware address or an overlay address.
        package var isPlain: Bool
        /// Whether one of the IP addresses is an overlay address.
        package var isOverlay: Bool
    }

    /// The machines' names.
    package let nodes: [String]
    private var underlay: [IPAddress: [Int]] = [:]
    private var overlay: [IPAddress: [Int]] = [:]
    private var hardware: [HardwareAddress: [Int]] = [:]

    /// Sorts the addresses of an order's hosts. One that several have (a floating address, a container bridge's) tells
    /// only that it is one of them.
    package init(_ hosts: [HostFace]) {
        nodes = hosts.map(\.node)
        for (index, host) in hosts.enumerated() {
            for address in host.underlay { underlay[address, default: []].append(index) }
            for address in host.overlay { overlay[address, default: []].append(index) }
            for address in host.hardware.compactMap(HardwareAddress.init) where !address.isShared {
                hardware[address, default: []].append(index)
            }
        }
    }

    /// The machines that a frame passes between, or nil where it is not two of the mesh's: by IP address, and by
    /// hardware address where that is unknown or says nothing.
    package func pair(of frame: Frame) -> Pair? {
        let from = owners(frame.source, frame.sourceHardware)
        let to = owners(frame.destination, frame.destinationHardware)
        let isOverlay = from.isOverlay || to.isOverlay
        if let (one, other) = Self.apart(from.nodes, to.nodes) {
            let isPlain = from.isByAddress && to.isByAddress && !isOverlay
            return Pair(from: one, to: other, isPlain: isPlain, isOverlay: isOverlay)
        }
        // Both addresses are one machine's, and yet it goes from one machine to another.
        guard frame.isIP,
            let (one, other) = Self.apart(
                owners(nil, frame.sourceHardware).nodes,
                owners(nil, frame.destinationHardware).nodes)
        else { return nil }
        // Such as the way through a router that is a machine of the mesh, to another that is not.
        if from.nodes.isEmpty || to.nodes.isEmpty { return nil }
        return Pair(from: one, to: other, isPlain: false, isOverlay: isOverlay)
    }

    private typealias Owners = (nodes: [Int], isByAddress: Bool, isOverlay: Bool)

    private func owners(_ address: IPAddress?, _ link: HardwareAddress?) -> Owners {
        let byLink = link.flatMap { hardware[$0] } ?? []
        guard let address else { return (byLink, false, false) }
        if let nodes = overlay[address] { return (nodes, true, true) }
        guard let nodes = underlay[address] else { return (byLink, false, false) }
        if nodes.count > 1, let one = byLink.first(where: nodes.contains) {
            return ([one], true, false)
        }
        return (nodes, true, false)
    }

    private static func apart(_ left: [Int], _ right: [Int]) -> (Int, Int)? {
        for one in left { for other in right where one != other { return (one, other) } }
        return nil
    }
}
