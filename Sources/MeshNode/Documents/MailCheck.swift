import MeshModel
import NodeProtocol

/// Whether the mailboxes that a document names are its own peers, at overlay addresses.
struct MailCheck {
    private let document: NodeDocument

    init(_ document: NodeDocument) {
        self.document = document
    }

    func run() throws(ProtocolError) {
        guard let mail = document.mail else { return }
        guard mail.port != 0 else { throw invalid("port 0") }
        let peers = Set(document.interfaces.flatMap(\.peers).map(\.node))
        let networks = document.interfaces.flatMap(\.networks)
        var names: Set<String> = []
        var taken: Set<IPAddress> = Set(
            document.interfaces.flatMap(\.addresses).map(\.address))
        for peer in mail.peers {
            guard Mailbox.isName(peer.node), peers.contains(peer.node),
                names.insert(peer.node).inserted
            else { throw invalid("\(peer.node.prefix(63)) is no peer, or named twice") }
            guard (1...16).contains(peer.addresses.count) else {
                throw invalid("\(peer.node) has \(peer.addresses.count) addresses")
            }
            for address in peer.addresses {
                // An address tells who asks, so it can be one node's only.
                guard networks.contains(where: { $0.contains(address) }),
                    taken.insert(address).inserted
                else { throw invalid("\(peer.node) cannot have \(address)") }
            }
        }
        if let server = document.tunnelServer, server.port == mail.port {
            throw invalid("port \(mail.port) is the tunnel server's")
        }
    }

    private func invalid(_ message: String) -> ProtocolError {
        ProtocolError(.invalidDocument, "mail: \(message)")
    }
}
