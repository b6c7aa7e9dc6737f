package import MeshModel

/// All that the thread which serves mail knows: where to listen, who may ask, and what waits for whom.
package struct MailTable: Sendable, Equatable {
    /// Where to listen: overlay addresses of this node.
    package var places: [SocketEndpoint]
    /// Who asks, by overlay address. Nobody else is answered.
    package var peers: [IPAddress: String]
    /// What waits, by addressee.
    package var waiting: [String: Mailbox.Waiting]

    /// Gathers the parts.
    package init(
        places: [SocketEndpoint] = [], peers: [IPAddress: String] = [:],
        waiting: [String: Mailbox.Waiting] = [:]
    ) {
        self.places = places
        self.peers = peers
        self.waiting = waiting
    }
}
