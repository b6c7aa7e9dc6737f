import MeshController
import NodeProtocol

/// What peers say of a node's mail, in words.
enum MailWords {
    /// A line for what waits, and one for what was taken.
    static func lines(_ mail: [StatusReport.Mail], now: Double) -> [String] {
        var lines: [String] = []
        let newest = mail.map(\.kept.revision).max()
        let waiting = mail.filter { $0.kept.takenAt == nil && $0.kept.revision == newest }
        let taken = mail.filter { $0.kept.takenAt != nil && $0.kept.revision == newest }
        // Whoever has it was told of it by one mailbox, and the others do not know yet.
        if taken.isEmpty, let first = waiting.min(by: { $0.kept.since < $1.kept.since }) {
            lines.append(
                "revision \(first.kept.revision) waits at "
                    + waiting.map(\.mailbox).joined(separator: ", ")
                    + ", for \(Human.age(max(0, now - first.kept.since))); it fetches it by itself")
        }
        guard
            let first = taken.min(by: { ($0.kept.takenAt ?? 0) < ($1.kept.takenAt ?? 0) }),
            let at = first.kept.takenAt
        else { return lines }
        let age = Human.age(max(0, now - at))
        if let inForce = taken.compactMap(\.kept.inForce).max(), inForce < first.kept.revision {
            lines.append(
                "it fetched revision \(first.kept.revision) \(age) ago, took it back, and is at \(inForce); "
                    + "meshproof up sends it again")
        } else {
            lines.append(
                "it fetched revision \(first.kept.revision) \(age) ago, says \(first.mailbox)")
        }
        return lines
    }
}
