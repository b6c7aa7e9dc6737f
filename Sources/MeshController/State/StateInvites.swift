import LinuxSystem
import MeshModel
import Secrets
import StateStore

extension ControllerState {
    /// Notes a new token by the hash of its proof, and makes all earlier ones of the same node unusable.
    func open(_ token: JoinToken) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate {
            let record = InviteRecord(
                node: token.invitation.node, proof: Base64.hex(try token.record()),
                expires: token.invitation.expires)
            try InviteRegistry(store).open(
                record, id: Base64.hex(token.invitation.id), now: Clocks.wallSeconds())
        }
    }

    /// What is noted of a token, or nil.
    func invite(_ id: [UInt8]) throws(ControllerError) -> InviteRecord? {
        guard let store else { return nil }
        return try Self.translate { try InviteRegistry(store).record(Base64.hex(id)) }
    }

    /// Uses a token up: true for one caller only.
    func useInvite(_ id: [UInt8], at now: Double) throws(ControllerError) -> Bool {
        let store = try storeForWriting()
        return try Self.translate { try InviteRegistry(store).use(Base64.hex(id), at: now) }
    }

    /// Makes a token unusable.
    func closeInvite(_ id: [UInt8]) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate { try InviteRegistry(store).close(Base64.hex(id)) }
    }
}
