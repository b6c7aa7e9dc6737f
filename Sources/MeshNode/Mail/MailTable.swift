package import MeshModel

/// Where to listen: at an overlay address, for what comes by one of the mesh's own interfaces and by no other.
///
/// Bound to the interface, so that neither a question nor an answer ever takes another way, whatever routes say and
/// whether or not there is a guard.
package struct MailPlace: Sendable, Hashable {
    /// The address and port.
    package var endpoint: SocketEndpoint
    /// The interface; nil for any, as a test has it.
    package var interface: String?

    /// Pairs the two.
    package init(_ endpoint: SocketEndpoint, interface: String?) {
        self.endpoint = endpoint
        self.interface = interface
    }
}

/// All that the thread which serves mail knows: where to listen, who may ask, and what waits for whom.
package struct MailTable: Sendable, Equatable {
    /// Where to listen.
    package var places: [MailPlace]
    /// Who asks, by overlay address. Nobody else is answered.
    package var peers: [IPAddress: String]
    /// What waits, by addressee.
    package var waiting: [String: Mailbox.Waiting]

    /// Gathers the parts.
    package init(
        places: [MailPlace] = [], peers: [IPAddress: String] = [:],
        waiting: [String: Mailbox.Waiting] = [:]
    ) {
        self.places = places
        self.peers = peers
        self.waiting = waiting
    }
}
