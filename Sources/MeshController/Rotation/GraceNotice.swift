import MeshModel

/// A node that has not got the other nodes' new keys yet: one without an agent, or one that fetches them as mail.
public struct GraceNotice: Codable, Sendable, Equatable {
    /// Which node.
    public var node: String
    /// When it is cut off. *Units:* seconds since 1970.
    public var until: Double
    /// What is so and what to do, for people.
    public var message: String

    /// For a node that fetches them by itself.
    init(node: String, takesBy until: Double) {
        self.node = node
        self.until = until
        message =
            "\(node): takes its new keys by itself within two minutes of being there, until \(Timestamp.text(until)); after that it has to join again: meshproof peer invite \(node)"
    }

    /// For a node without an agent.
    ///
    /// - Parameter isKeyKept: whether its private key is known here, without which a QR code is of no use.
    init(node: String, until: Double, isKeyKept: Bool) {
        self.node = node
        self.until = until
        message =
            "\(node): fetch its new configuration until \(Timestamp.text(until)): meshproof peer show \(node) \(isKeyKept ? "--qr" : "--conf")"
    }
}

extension ControllerState {
    /// The nodes that the open rotation waits for, and for nothing else.
    func graceNotices() throws(ControllerError) -> [GraceNotice] {
        guard let open = openRotation, open.progress.isInGrace, let grace = open.plan.grace,
            let until = grace.until
        else { return [] }
        return try grace.waiting.map { (name) throws(ControllerError) in
            if open.plan.byMail?.contains(name) == true {
                return GraceNotice(node: name, takesBy: until)
            }
            return GraceNotice(node: name, until: until, isKeyKept: try keepsKey(of: name))
        }
    }
}
