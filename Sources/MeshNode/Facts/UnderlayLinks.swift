import MeshModel
import Netlink

/// Tells the links by which a machine shows on the real network. Pure.
struct UnderlayLinks {
    let links: [Link]

    /// Links that carry the machine's own addresses: no loopback, none of the mesh's, and none that only containers hang on.
    var faces: [Link] {
        links.filter { link in
            !link.isLoopback && link.group != Ownership.linkGroup && link.master == nil
                && !isForContainers(link)
        }
    }

    /// Those, and what they are made of: a bridge's or a bond's parts have hardware addresses of their own.
    var hardware: [String] {
        let faces = Set(faces.map(\.index))
        let all = links.filter { link in
            faces.contains(link.index) || link.master.map(faces.contains) ?? false
        }
        var seen: Set<String> = []
        return all.compactMap(\.hardware).filter { seen.insert($0).inserted }
    }

    /// Ends of containers and virtual machines.
    private static let inner: Set<String> = ["veth", "tun"]

    /// A bridge that leads to nothing but containers and virtual machines, or to nothing.
    private func isForContainers(_ link: Link) -> Bool {
        guard link.kind == "bridge" else { return false }
        return links.filter { $0.master == link.index }.allSatisfy { part in
            part.kind.map(Self.inner.contains) ?? false
        }
    }
}
