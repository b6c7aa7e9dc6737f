public import MeshModel
import Secrets
import StateStore

extension ControllerState {
    /// The controller's public key, also where the state is only read; nil before the first `up`.
    public var knownControllerKey: PublicKey? {
        opened?.signingKey.publicKey
            ?? (try? store.flatMap { try MeshRegistry($0).controllerKey() })
    }

    /// All keys that receipts were signed with, also where the state is only read; nil before the first `up`.
    ///
    /// *Throws:* ``ControllerError`` `state` for a chain that does not hold.
    public func receiptKeys() throws(ControllerError) -> ReceiptKeys? {
        guard let key = knownControllerKey, let store else { return nil }
        let chain = try Self.translate { try MeshRegistry(store).successions() }
        guard let keys = ReceiptKeys(chain.first?.oldKey ?? key, chain), keys.newest == key else {
            throw ControllerError(
                .state, "the chain of the controller's keys in the state does not hold",
                hint: "restore the state from a backup, and find out who changed it")
        }
        return keys
    }

    /// Signs a report and adds it to the log of receipts, in one commit.
    ///
    /// - Parameters:
    ///   - facts: the bytes that each node signed, by node: exactly those whose digests the report has.
    ///   - lifetime: for how long the receipt says anything of the present. *Units:* seconds.
    ///
    /// *Throws:* ``ControllerError`` `state`; `usage` for a report that no receipt can be made of.
    public func appendReceipt(
        _ report: VerifyReport, facts: [String: [UInt8]],
        lifetime: Double = Receipt.standardLifetime, now: Double
    ) throws(ControllerError) -> IssuedReceipt {
        let key = try writer().signingKey
        let log = ReceiptLog(try storeForWriting())
        return try Self.translate {
            var rounds = 100
            while true {
                let head = try log.head()
                let made = try Receipt.make(
                    report, facts: facts, sequence: (head?.sequence ?? 0) + 1,
                    previous: head?.digest, lifetime: lifetime, now: now, key: key)
                do throws(StoreError) {
                    _ = try log.append(made.envelope, digest: made.digest, after: head)
                    return made
                } catch {
                    rounds -= 1
                    if error.code != .conflict || rounds == 0 { throw error }
                }
            }
        }
    }

    /// Number and digest of the last receipt, or nil where there is none.
    public func lastReceipt() throws(ControllerError) -> (sequence: Int, digest: String)? {
        guard let store else { return nil }
        return try Self.translate {
            try ReceiptLog(store).head().map { ($0.sequence, $0.digest) }
        }
    }

    /// The envelope of one receipt as it is in the log, or nil.
    public func receiptEnvelope(_ sequence: Int) throws(ControllerError) -> [UInt8]? {
        guard let store else { return nil }
        return try Self.translate { try ReceiptLog(store).envelope(sequence) }
    }
}
