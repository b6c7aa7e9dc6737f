import LinuxSystem
import MeshModel
import SSHTunnel

/// Who may come: the file that sshd reads at each login, and the sessions of those who may not any more.
struct TunnelGrants {
    let folders: NodeFolders

    private var sessions: TunnelSessions { TunnelSessions(folders: folders) }

    /// Replaces who may come, and sends away whoever has lost something by it. Nobody else notices.
    ///
    /// A session keeps the rights that it began with, so a key that may do less than before has its sessions ended;
    /// its node comes back at once and gets what it may now. A session whose key cannot be told goes too, since it might
    /// be one of those.
    func set(_ grants: [TunnelGrant]) throws(TunnelServerFailure) {
        let text = TunnelServerText.authorizedKeys(grants, mesh: folders.mesh)
        let new = Self.parse(Array(text.utf8)) ?? []
        var lost: Set<String>
        let isKnown: Bool
        do throws(SystemError) {
            let bytes = try Files.readIfPresent(folders.tunnelGrants)
            let old = bytes.flatMap(Self.parse)
            isKnown = old != nil
            lost = Set(
                GrantLine.narrowed(from: old ?? [], to: new).map(SessionLog.fingerprint)
            ).union(revoked())
            if bytes != Array(text.utf8) {
                // Written down before it takes effect, so that after a crash it is finished.
                if !lost.isEmpty {
                    let list = lost.sorted().map { "\($0)\n" }.joined()
                    try Files.replace(folders.tunnelRevocations, with: list.utf8)
                }
                try Files.replace(folders.tunnelGrants, with: text.utf8, mode: 0o644)
            }
        } catch {
            throw TunnelServerFailure("replace who may come", error)
        }
        let granted = Set(new.map { SessionLog.fingerprint($0.key) })
        try end { session in
            guard isKnown else { return true }
            guard let key = session.key else { return !lost.isEmpty }
            return lost.contains(key) || !granted.contains(key)
        }
        do throws(SystemError) { try Files.remove(folders.tunnelRevocations) } catch {
            throw TunnelServerFailure("forget who was sent away", error)
        }
    }

    private func end(_ isUnwanted: (TunnelSessions.Session) -> Bool) throws(TunnelServerFailure) {
        // One that was being let in by the file before is seen only a moment later.
        for _ in 0..<10 {
            let unwanted = sessions.all().filter(isUnwanted)
            if unwanted.isEmpty { return }
            let left = sessions.end(unwanted)
            guard left.isEmpty else {
                throw TunnelServerFailure(
                    .unexpected,
                    "a session of a key that was taken away does not end: process \(left[0].process)",
                    fix: "see its state in /proc/\(left[0].process)/status")
            }
            Clocks.sleep(0.2)
        }
    }

    /// What differs between the file and what is wanted, a line each.
    func differences(_ grants: [TunnelGrant]) -> [String] {
        let text = TunnelServerText.authorizedKeys(grants, mesh: folders.mesh)
        let bytes = (try? Files.read(folders.tunnelGrants)) ?? []
        var lines: [String] = []
        if bytes != Array(text.utf8) {
            let found = Self.lines(bytes).map { GrantLine($0) }
            let old = Set(found.compactMap(\.self))
            let new = Set(Self.parse(Array(text.utf8)) ?? [])
            if found.contains(nil) {
                lines.append("somebody is let in whom meshproof did not let in")
            }
            let (oldKeys, newKeys) = (Set(old.map(\.key)), Set(new.map(\.key)))
            for line in new.subtracting(old).sorted(by: { $0.node < $1.node }) {
                lines.append(
                    oldKeys.contains(line.key)
                        ? "what the key of \(line.node) may do has changed"
                        : "the key of \(line.node) is not let in")
            }
            for line in old.subtracting(new).sorted(by: { $0.node < $1.node })
            where !newKeys.contains(line.key) {
                lines.append("a key of \(line.node) is let in that should not be")
            }
            if lines.isEmpty { lines.append("the list of keys that are let in was changed") }
        }
        if !revoked().isEmpty { lines.append("sessions of keys that lost rights are to be ended") }
        return lines
    }

    private func revoked() -> Set<String> {
        let text = (try? Files.read(folders.tunnelRevocations)) ?? []
        return Set(text.split(separator: 10).map { String(decoding: $0, as: UTF8.self) })
    }

    /// The lines of a file of ours; nil where something else stands in it.
    private static func parse(_ text: [UInt8]) -> [GrantLine]? {
        var lines: [GrantLine] = []
        for line in Self.lines(text) {
            guard let parsed = GrantLine(line) else { return nil }
            lines.append(parsed)
        }
        return lines
    }

    private static func lines(_ text: [UInt8]) -> [String] {
        text.split(separator: 10).filter { $0.first != UInt8(ascii: "#") }.map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
