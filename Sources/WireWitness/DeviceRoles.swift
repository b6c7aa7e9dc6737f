package import MeshModel

/// Tells what each device of a node is to the mesh. In doubt it leads to other machines.
package enum DeviceRoles {
    /// The role of each link, by its index.
    ///
    /// - Parameters:
    ///   - others: underlay addresses of the other machines.
    ///   - leading: names of devices that routes say lead to other machines.
    ///   - own: names of the mesh's interfaces that are what they should be.
    package static func roles(
        _ links: [LinkFact], others: [IPAddress], leading: Set<String>, own: Set<String>
    ) -> [Int32: DeviceCapture.Role] {
        var roles: [Int32: DeviceCapture.Role] = [:]
        for link in links { roles[link.index] = role(link, others, leading, own) }
        // A bridge with an underlay port is one, and then so are all its ports; until nothing changes any more.
        var isSettled = false
        while !isSettled {
            isSettled = true
            for link in links {
                guard let master = link.master, let above = roles[master] else { continue }
                if (roles[link.index] == .inner) == (above == .inner) { continue }
                if roles[link.index] == .inner { roles[link.index] = .underlay }
                if above == .inner { roles[master] = .underlay }
                isSettled = false
            }
        }
        return roles
    }

    private static func role(
        _ link: LinkFact, _ others: [IPAddress], _ leading: Set<String>, _ own: Set<String>
    ) -> DeviceCapture.Role {
        // Loopback has this index in every namespace (LOOPBACK_IFINDEX), whatever it is called.
        if link.index == 1 { return .inside }
        // A device that only wears our group carries what it is given in clear.
        if link.group == Ownership.linkGroup {
            let isTunnel = link.kind == "wireguard" || link.kind == "tun"
            return isTunnel && (own.isEmpty || own.contains(link.name)) ? .inside : .underlay
        }
        if leading.contains(link.name) { return .underlay }
        guard link.kind == "bridge" || link.kind == "veth" else { return .underlay }
        let isOnLink = link.addresses.contains { prefix in
            !prefix.isHost && others.contains { prefix.contains($0) }
        }
        return isOnLink ? .underlay : .inner
    }
}
