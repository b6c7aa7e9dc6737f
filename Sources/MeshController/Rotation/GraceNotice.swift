import MeshModel

/// A node without an agent that has to be given a new configuration.
public struct GraceNotice: Codable, Sendable, Equatable {
    /// Which node.
    public var node: String
    /// When it is cut off. *Units:* seconds since 1970.
    public var until: Double
    /// What is so and what to do, for people.
    public var message: String

    /// - Parameter isKeyKept: whether its private key is known here, without which a QR code is of no use.
    init(node: String, until: Double, isKeyKept: Bool) {
        self.node = node
        self.until = until
        message =
            "\(node): fetch its new configuration until \(Timestamp.text(until)): meshproof peer show \(node) \(isKeyKept ? "--qr" : "--conf")"
    }
}

extension ControllerState {
    /// The nodes without an agent that the open rotation waits for, and for nothing else.
    func graceNotices() throws(ControllerError) -> [GraceNotice] {
        guard let open = openRotation, open.progress.isInGrace, let grace = open.plan.grace,
            let until = grace.until
        else { return [] }
        return try grace.waiting.map { (name) throws(ControllerError) in
            GraceNotice(node: name, until: until, isKeyKept: try keepsKey(of: name))
        }
    }
}
