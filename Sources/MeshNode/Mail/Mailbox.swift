import LinuxSystem
import MeshModel
package import NodeProtocol
import Secrets

/// What this node keeps for others until they fetch it. The agent's thread owns it.
///
/// *Shape:* `mail/NODE.json`, 0600: the sealed mail, and when it was said to be taken. One a node, the newest. Nothing in it
/// can be read here. It stays until a newer one comes: whoever says that it was taken is known to be on the node, and may
/// be any process there.
package final class Mailbox {
    /// How much is kept in all. *Units:* bytes, sealed.
    package static let capacity = 32 << 20

    /// A mail that waits.
    package struct Waiting: Sendable, Equatable {
        /// The revision of the document inside.
        package var revision: UInt64
        /// As it was sealed.
        package var sealed: [UInt8]

        /// Pairs the two.
        package init(revision: UInt64, sealed: [UInt8]) {
            self.revision = revision
            self.sealed = sealed
        }
    }

    private struct Entry: Codable {
        var kept: KeptMail
        var sealed: String
    }

    private let folders: NodeFolders
    private let storage: any NodeStorage
    private var entries: [String: (kept: KeptMail, sealed: [UInt8])] = [:]

    /// A mailbox over a mesh's folders; ``load()`` fills it.
    package init(_ folders: NodeFolders, _ storage: any NodeStorage) {
        self.folders = folders
        self.storage = storage
    }

    /// Reads what is there. What cannot be read is dropped: the controller leaves it anew.
    package func load() throws(NodeError) {
        entries = [:]
        for file in storage.list(folders.mail) {
            let name = String(file.dropLast(".json".utf8.count))
            guard file == "\(name).json", Self.isName(name),
                let bytes = try? storage.read(path(name)),
                let entry = try? Wire.decode(Entry.self, from: bytes), entry.kept.node == name,
                let sealed = Base64.decode(entry.sealed)
            else {
                try remove("\(folders.mail)/\(file)")
                continue
            }
            entries[name] = (entry.kept, sealed)
        }
    }

    /// What it keeps, and what it kept until it was taken, by name.
    package var report: [KeptMail] {
        entries.values.map(\.kept).sorted { $0.node < $1.node }
    }

    /// What whoever has not got it yet is given, by addressee.
    package var waiting: [String: Waiting] {
        entries.mapValues { Waiting(revision: $0.kept.revision, sealed: $0.sealed) }
    }

    /// Keeps a mail in place of an older one. *Idempotency:* the same revision again changes nothing.
    ///
    /// *Throws:* ``ProtocolError`` `staleRevision` for one that is older than what is, or was, here; `invalidDocument` for
    /// one that is no mail, or too large.
    package func keep(
        _ sealed: [UInt8], for node: String, revision: UInt64, at now: Moment
    ) throws(ProtocolError) {
        guard Self.isName(node) else {
            throw ProtocolError(.invalidDocument, "mail for a node without a proper name")
        }
        guard sealed.count > MailSeal.overhead, sealed.count <= MailContent.limit else {
            throw ProtocolError(
                .invalidDocument,
                "a mail of \(sealed.count) bytes; up to \(MailContent.limit) are kept")
        }
        if let there = entries[node]?.kept {
            if there.revision == revision { return }
            guard there.revision < revision else {
                throw ProtocolError(
                    .staleRevision,
                    "mail of revision \(there.revision) for \(node) has been here already")
            }
        }
        let others = entries.reduce(0) { $0 + ($1.key == node ? 0 : $1.value.sealed.count) }
        guard others + sealed.count <= Self.capacity else {
            throw ProtocolError(
                .failed, "the mailbox is full: \(others) of \(Self.capacity) bytes wait in it")
        }
        let kept = KeptMail(node: node, revision: revision, since: now.wall)
        do throws(NodeError) { try write(kept, sealed) } catch { throw error.refusal }
    }

    /// Takes in what a node has said of itself; true where it says so that its mail has been taken.
    package func heard(_ call: MailCall, from node: String, at now: Moment) throws(NodeError)
        -> Bool
    {
        guard let entry = entries[node] else { return false }
        var kept = entry.kept
        let isTaken = kept.takenAt == nil && call.highest >= kept.revision
        if isTaken { kept.takenAt = now.wall }
        // Numbers that fall, or go on rising, tell nothing new, and are not worth a write.
        let known = kept.inForce ?? 0
        if !call.isSettling, kept.takenAt != nil, known < kept.revision, call.inForce > known {
            kept.inForce = call.inForce
        }
        if kept != entry.kept { try write(kept, entry.sealed) }
        return isTaken
    }

    /// Drops mail for all but these nodes: whoever is no peer any more is not to find any.
    package func drop(besides nodes: Set<String>) throws(NodeError) -> [String] {
        let gone = entries.keys.filter { !nodes.contains($0) }.sorted()
        for name in gone {
            try remove(path(name))
            entries[name] = nil
        }
        return gone
    }

    private func write(_ kept: KeptMail, _ sealed: [UInt8]) throws(NodeError) {
        do {
            let entry = Entry(kept: kept, sealed: Base64.encode(sealed))
            try storage.replace(path(kept.node), with: try Wire.encode(entry))
        } catch let error as SystemError {
            throw NodeError("keep mail", error)
        } catch {
            throw NodeError(.storage, "keep mail", path(kept.node), "\(error)")
        }
        entries[kept.node] = (kept, sealed)
    }

    private func remove(_ path: String) throws(NodeError) {
        do { try storage.remove(path) } catch { throw NodeError("drop mail", error) }
    }

    private func path(_ node: String) -> String { "\(folders.mail)/\(node).json" }

    /// A name becomes a path, so only what a topology's names are made of may pass: a DNS label.
    package static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
            }
    }
}
