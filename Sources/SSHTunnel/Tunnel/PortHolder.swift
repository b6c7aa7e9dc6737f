import LinuxSystem
import MeshModel

/// Which program listens where we wanted to.
///
/// *Privilege:* root sees every process; others only their own. *Source:* ``SocketList``, ``ProcessTable``.
enum PortHolder {
    /// `sshd (pid 812)`, or nil where /proc does not tell.
    static func find(_ end: TunnelEnd) -> String? {
        let sockets: Set<UInt64>
        switch end {
        case .tcp(let place): sockets = listeners(place)
        case .unix(let path): sockets = Set(SocketList.unix(path: path))
        }
        if sockets.isEmpty { return nil }
        for pid in ProcessTable.all()
        where ProcessTable.sockets(pid).values.contains(where: sockets.contains) {
            return "\(ProcessTable.name(pid)) (pid \(pid))"
        }
        return nil
    }

    /// Everything that listens at `place`, or at its port on every address. The other family's loopback does not count:
    /// we may have that ourselves.
    private static func listeners(_ place: SocketEndpoint) -> Set<UInt64> {
        let size = place.address.family.bits / 8
        let rows = (try? SocketList.tcp(port: place.port)) ?? []
        let found = rows.filter { row in
            let isEvery = row.localAddress.allSatisfy { $0 == 0 }
            return row.isListening && (isEvery || row.localAddress.count == size)
        }
        return Set(found.map(\.inode))
    }
}
