import LinuxSystem
package import MeshModel
package import NodeProtocol

/// A document that the controller signed for this node, with its signature.
package struct TakenDocument: Sendable, Equatable {
    /// As it was signed.
    package var signed: SignedDocument
    /// What it says.
    package var document: NodeDocument

    /// Pairs the two.
    package init(signed: SignedDocument, document: NodeDocument) {
        self.signed = signed
        self.document = document
    }
}

/// A committed document that nobody has confirmed yet.
package struct UnconfirmedDocument: Sendable, Equatable {
    /// The document.
    package var taken: TakenDocument
    /// When it is rolled back. *Units:* monotonic seconds of the boot ``bootID``.
    package var deadline: Double
    /// The boot that `deadline` counts in.
    package var bootID: String
    /// Whether it came as mail, so that the agent confirms it itself once a peer has answered.
    package var isByMail: Bool
}

/// The documents a node has taken, kept so that a crash at any point leaves one good state.
///
/// *Shape:* `staged.json` becomes `unconfirmed.json` (committed) and then `current.json` (confirmed, in force), or
/// goes again. While a document is unconfirmed, `current.json` is the one to go back to. The revision that was
/// ever highest is noted before anything that knows it is removed.
package final class DocumentStore {
    /// The document in force.
    package private(set) var current: TakenDocument?
    /// The document that is checked and waits to be committed.
    package private(set) var staged: TakenDocument?
    /// The document that is committed and waits to be confirmed.
    package private(set) var unconfirmed: UnconfirmedDocument?
    /// The highest revision ever committed.
    package private(set) var highestRevision: UInt64 = 0
    /// What was last taken back.
    package private(set) var rolledBack: RolledBack?
    /// Why the kept documents cannot be trusted; nil where they can.
    package private(set) var damage: String?

    private let folders: NodeFolders
    private let storage: any NodeStorage
    private let keys: NodeKeys

    /// *Shape:* `unconfirmed.json`.
    private struct UnconfirmedRecord: Codable {
        var signed: SignedDocument
        var deadline: Double
        var bootID: String
        /// nil in a record from before there was mail.
        var isByMail: Bool?
    }

    /// *Shape:* `record.json`.
    private struct Record: Codable {
        var highestRevision: UInt64
        var rolledBack: RolledBack?
    }

    /// A store over a mesh's folders; ``load(_:)`` fills it.
    package init(_ folders: NodeFolders, _ storage: any NodeStorage, _ keys: NodeKeys) {
        self.folders = folders
        self.storage = storage
        self.keys = keys
    }

    /// Reads what is there, and finishes what a crash cut short. *Idempotency:* as often as wanted.
    package func load(_ check: DocumentCheck) throws(NodeError) {
        damage = nil
        do {
            if let record = try decoded(Record.self, "record") {
                highestRevision = record.highestRevision
                rolledBack = record.rolledBack
            }
            current = try taken("current", check)
            if let record = try decoded(UnconfirmedRecord.self, "unconfirmed") {
                let document = try opened(record.signed, "unconfirmed", check)
                unconfirmed = UnconfirmedDocument(
                    taken: TakenDocument(signed: record.signed, document: document),
                    deadline: record.deadline, bootID: record.bootID,
                    isByMail: record.isByMail ?? false)
            } else {
                unconfirmed = nil
            }
        } catch {
            // Wrong bytes mean that we do not know what should be: then nothing is touched.
            damage = error.description
            return
        }
        // A staged document is only ever a wish; a damaged one is dropped.
        staged = try? taken("staged", check)
        highestRevision = max(
            highestRevision, current?.document.revision ?? 0,
            unconfirmed?.taken.document.revision ?? 0)
        if let staged, staged.document.revision <= highestRevision { try dropStaged() }
        if let pending = unconfirmed, pending.taken.document.revision == current?.document.revision
        {
            try finishConfirming(previous: try? taken("previous", check))
        } else {
            try forgetUnused()
        }
    }

    /// The document in force as it is on the disk; for a process beside the agent, which changes nothing.
    package func read(_ check: DocumentCheck) throws(NodeError) -> NodeDocument? {
        try taken("current", check)?.document
    }

    /// Keeps a checked document for ``commit(until:bootID:)``, in place of any other.
    package func stage(_ taken: TakenDocument) throws(NodeError) {
        try write(taken.signed, "staged")
        staged = taken
    }

    /// Makes the staged document the committed one, from before it is applied until it is confirmed.
    package func commit(
        until deadline: Double, bootID: String, isByMail: Bool = false
    ) throws(NodeError) {
        guard let taken = staged else { return }
        try write(
            UnconfirmedRecord(
                signed: taken.signed, deadline: deadline, bootID: bootID, isByMail: isByMail),
            "unconfirmed")
        unconfirmed = UnconfirmedDocument(
            taken: taken, deadline: deadline, bootID: bootID, isByMail: isByMail)
        highestRevision = max(highestRevision, taken.document.revision)
        try dropStaged()
    }

    /// Makes the committed document the one in force, and wipes the keys that only the one before used.
    package func confirm() throws(NodeError) {
        guard let pending = unconfirmed else { return }
        let before = current
        if let before { try write(before.signed, "previous") }
        try write(pending.taken.signed, "current")
        current = pending.taken
        damage = nil
        try finishConfirming(previous: before)
    }

    /// Takes the committed document back; ``current`` is what is wanted again.
    package func rollBack(at now: Moment, reason: String) throws(NodeError) {
        guard let pending = unconfirmed else { return }
        let note = RolledBack(
            revision: pending.taken.document.revision, at: now.wall, reason: reason)
        try write(Record(highestRevision: highestRevision, rolledBack: note), "record")
        rolledBack = note
        try remove("unconfirmed")
        unconfirmed = nil
        try forgetUnused()
    }

    /// All networks of all documents at hand, by which an `unreachable` route is known as ours.
    package var networks: [IPPrefix] {
        let documents = [current, staged, unconfirmed?.taken].compactMap(\.self)
        return Array(Set(documents.flatMap(\.document.interfaces).flatMap(\.networks))).sorted()
    }

    /// What was wanted before what is wanted now; empty where nothing was, or it cannot be read any more.
    package func previous(_ check: DocumentCheck) -> DesiredNode {
        if unconfirmed != nil { return current?.document.desired ?? .bare }
        return (try? taken("previous", check))?.document.desired ?? .bare
    }

    private func finishConfirming(previous: TakenDocument?) throws(NodeError) {
        let kept = Set((current?.document.interfaces ?? []).map(\.generation))
        // A node that is drained keeps its key: nothing has replaced it.
        if !kept.isEmpty {
            for interface in previous?.document.interfaces ?? []
            where !kept.contains(interface.generation) {
                try keys.forget(generation: interface.generation)
            }
        }
        try write(Record(highestRevision: highestRevision, rolledBack: rolledBack), "record")
        try remove("unconfirmed")
        unconfirmed = nil
        try forgetUnused()
    }

    private func forgetUnused() throws(NodeError) {
        let documents = [current, staged, unconfirmed?.taken].compactMap(\.self)
        try keys.forgetPresharedKeys(
            except: Set(
                documents.flatMap(\.document.interfaces).flatMap(\.peers).compactMap(\.presharedKey)
            ))
    }

    /// The documents that the node lives by, or may have to go back to.
    package var live: [NodeDocument] {
        [current, unconfirmed?.taken].compactMap { $0?.document }
    }

    /// Drops the staged document where `isUnwanted` says so, with the preshared keys that came for it alone.
    package func dropStaged(where isUnwanted: (NodeDocument) -> Bool) throws(NodeError) {
        guard let staged, isUnwanted(staged.document) else { return }
        try dropStaged()
        try forgetUnused()
    }

    private func dropStaged() throws(NodeError) {
        try remove("staged")
        staged = nil
    }

    private func taken(_ name: String, _ check: DocumentCheck) throws(NodeError) -> TakenDocument? {
        guard let signed = try decoded(SignedDocument.self, name) else { return nil }
        return TakenDocument(signed: signed, document: try opened(signed, name, check))
    }

    private func opened(
        _ signed: SignedDocument, _ name: String, _ check: DocumentCheck
    ) throws(NodeError) -> NodeDocument {
        do { return try check.openKept(signed) } catch { throw damaged(name, error) }
    }

    private func decoded<Value: Decodable>(
        _ type: Value.Type, _ name: String
    ) throws(NodeError) -> Value? {
        let bytes: [UInt8]?
        do { bytes = try storage.read(folders.document(name)) } catch {
            throw NodeError("read document", error)
        }
        guard let bytes else { return nil }
        do { return try Wire.decode(type, from: bytes) } catch { throw damaged(name, error) }
    }

    private func damaged(_ name: String, _ error: ProtocolError) -> NodeError {
        NodeError(
            .damaged, "read document", folders.document(name), error.message,
            hint: "the data plane is left as it is; run `meshproof up` to send the document again")
    }

    private func write(_ value: some Encodable, _ name: String) throws(NodeError) {
        do {
            try storage.replace(folders.document(name), with: try Wire.encode(value))
        } catch let error as SystemError {
            throw NodeError("write document", error)
        } catch {
            throw NodeError(.storage, "write document", folders.document(name), "\(error)")
        }
    }

    private func remove(_ name: String) throws(NodeError) {
        do { try storage.remove(folders.document(name)) } catch {
            throw NodeError("remove document", error)
        }
    }
}
