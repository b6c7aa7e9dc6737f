import MeshModel

/// Tells who runs the clients of services, so that a probe can be made as the same user. Pure.
enum ClientUsers {
    /// For each port that something here is connected to, the user of most connections; root only where nobody else is.
    static func find(_ sockets: NamespaceSockets) -> [UInt16: UInt32] {
        // What comes in to a listener of ours has the client's port at its far end.
        let served = Set(sockets.listeners.filter { $0.kind != .udp }.map(\.local.port))
        var counts: [UInt16: [UInt32: Int]] = [:]
        for flow in sockets.flows where !served.contains(flow.local.port) {
            // A connection that no process has any more is told as root's.
            guard let remote = flow.remote, flow.user != 0 || flow.process != nil else { continue }
            counts[remote.port, default: [:]][flow.user, default: 0] += 1
        }
        return counts.compactMapValues { users in
            users.min { left, right in
                if (left.key == 0) != (right.key == 0) { return right.key == 0 }
                return (-left.value, left.key) < (-right.value, right.key)
            }?.key
        }
    }
}
