import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel

/// Brings a tunnel server to what is wanted, or takes it away. *Privilege:* root with all its capabilities.
///
/// Every step looks at what is there and does what is missing, so a crash between two of them is mended by the next run.
struct TunnelServerWork {
    let folders: NodeFolders
    let storage: any NodeStorage
    let keys: NodeKeys
    let listener: TunnelListener
    /// Our own program, which systemd runs after it has started sshd.
    let program: String

    var account: TunnelServerAccount { TunnelServerAccount(mesh: folders.mesh) }
    var sessions: TunnelSessions { TunnelSessions(folders: folders) }
    var jail: TunnelJail { TunnelJail(folders: folders) }

    // MARK: setting

    /// Makes the server as wanted. Rights are taken away first, also where what follows then fails.
    func set(_ wanted: DesiredTunnelServer) throws(TunnelServerFailure) {
        try Self.check(wanted)
        guard listener.program != nil else { throw TunnelListener.missing }
        // Sessions of another user's name would keep what the new name's rules say nothing about.
        if account.names().contains(where: { $0 != wanted.user }) { _ = try remove() }
        try account.ensure(wanted.user)
        try makeFolders()
        let sockets = TunnelJail.folders(for: wanted.grants)
        try jail.add(sockets)
        try TunnelGrants(folders: folders).set(wanted.grants)
        _ = try jail.removeOthers(than: sockets)
        let isChanged = try configure(wanted)
        let unitIsChanged = try installUnit()
        let isWhole =
            listener.process() != nil && listener.silent(wanted).isEmpty && !listener.isOutdated()
        if isChanged || unitIsChanged || !isWhole {
            _ = try listener.stop()
            try listener.start(wanted)
        }
    }

    /// Refuses what could lead a text or a path astray. What the controller signs is checked once more where it counts.
    static func check(_ wanted: DesiredTunnelServer) throws(TunnelServerFailure) {
        func refuse(_ what: String) -> TunnelServerFailure {
            TunnelServerFailure(
                .unexpected, "the document's tunnel server makes no sense: \(what)",
                fix: "run `meshproof up` with the version that is installed here")
        }
        guard TunnelServerAccount.isName(wanted.user) else { throw refuse("its user") }
        guard wanted.port != 0, !wanted.addresses.isEmpty, wanted.addresses.count <= 16 else {
            throw refuse("where it listens")
        }
        for target in wanted.grants.flatMap(\.targets) {
            switch target {
            case .tcp(let endpoint):
                if endpoint.port == 0 { throw refuse("a target without a port") }
            case .unix(let path):
                if !GrantLine.isSocketPath(path) { throw refuse("a socket's path") }
            }
        }
    }

    private func makeFolders() throws(TunnelServerFailure) {
        do throws(SystemError) {
            // For everybody to pass, since sshd reads who may come as the tunnels' user. No secret lies here.
            try Files.makeFolder(folders.tunnels, mode: 0o755)
        } catch {
            throw TunnelServerFailure("make the tunnels' folder", error)
        }
        try listener.prepare()
    }

    /// Writes the configuration if it differs, and only once sshd has found it good. True where it did.
    private func configure(_ wanted: DesiredTunnelServer) throws(TunnelServerFailure) -> Bool {
        let text = try configuration(wanted)
        let new = folders.tunnelConfiguration + ".new"
        do throws(SystemError) {
            if try Files.readIfPresent(folders.tunnelConfiguration) == Array(text.utf8) {
                return false
            }
            try Files.replace(new, with: text.utf8)
        } catch {
            throw TunnelServerFailure("write sshd's configuration", error)
        }
        do throws(TunnelServerFailure) {
            try listener.check(new)
            if let failure = listener.obstacle(wanted, own: listener.process()) { throw failure }
        } catch {
            _ = unlink(new)
            throw error
        }
        do throws(SystemError) {
            try LinuxSystem.check("rename", new) { rename(new, folders.tunnelConfiguration) }
        } catch {
            throw TunnelServerFailure("write sshd's configuration", error)
        }
        return true
    }

    /// The configuration's text, with the file of the host key that is wanted.
    func configuration(_ wanted: DesiredTunnelServer) throws(TunnelServerFailure) -> String {
        let there: [Int: PublicKey]
        do { there = try keys.sshHostKeys() } catch {
            throw TunnelServerFailure("find the host key", error)
        }
        guard let generation = there.first(where: { $0.value == wanted.hostKey })?.key else {
            throw TunnelServerFailure(
                .serverFailed, "this node does not have the host key that the document names",
                fix: "run `meshproof up`, which asks the node for its keys again")
        }
        return TunnelServerText.configuration(
            wanted, files: folders.tunnelFiles(hostKey: folders.hostKey(generation: generation)),
            mesh: folders.mesh)
    }

    /// The unit's text; nil where there is no systemd.
    func unit() -> String? {
        guard listener.hasSystemd, let sshd = listener.program else { return nil }
        return TunnelServerUnit.text(folders, sshd: sshd, program: program)
    }

    private func installUnit() throws(TunnelServerFailure) -> Bool {
        guard let text = unit() else { return false }
        do throws(SystemError) {
            if try Files.readIfPresent(folders.tunnelsUnit) == Array(text.utf8) { return false }
            try Files.replace(folders.tunnelsUnit, with: text.utf8, mode: 0o644)
        } catch {
            throw TunnelServerFailure("install the unit", error)
        }
        try listener.systemctl("daemon-reload")
        return true
    }

    /// Cuts the log back to the lines that tell which open session is whose.
    ///
    /// sshd appends, so what is cut off under it does it no harm. A line that comes in between is lost, and its session is
    /// then one whose key cannot be told.
    func trimLog() throws(TunnelServerFailure) {
        do throws(SystemError) {
            let open = Set(
                try SocketTable.read(port: nil).rows.filter(\.isEstablished).map(\.remote))
            let kept = sessions.log().lines.filter { open.contains($0.key) }.values.sorted()
            let path = folders.tunnelLog
            let file = Descriptor(
                owning: try LinuxSystem.check("open", path) {
                    Glibc.open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW)
                })
            let number = file.number
            try LinuxSystem.check("truncate", path) { ftruncate(number, 0) }
            try IO.writeAll(number, kept.map { "\($0)\n" }.joined().utf8)
        } catch {
            throw TunnelServerFailure("cut the tunnels' log back", error)
        }
    }

    // MARK: removing

    /// Takes all of it away, and says what was there. What fails does not keep the rest from going.
    func remove() throws(TunnelServerFailure) -> [String] {
        var gone: [String] = []
        var failure: TunnelServerFailure?
        func attempt(_ step: () throws(TunnelServerFailure) -> [String]) {
            do throws(TunnelServerFailure) { gone += try step() } catch {
                failure = failure ?? error
            }
        }
        // First nobody new can come in, and then those who are in go.
        attempt { () throws(TunnelServerFailure) in try removeFile(folders.tunnelGrants) }
        attempt { () throws(TunnelServerFailure) in
            try listener.stop() ? ["sshd of the tunnels"] : []
        }
        attempt { () throws(TunnelServerFailure) in try endSessions() }
        attempt { () throws(TunnelServerFailure) in
            let removed = try removeFile(folders.tunnelsUnit).map { "unit \($0)" }
            if !removed.isEmpty, listener.hasSystemd { try listener.systemctl("daemon-reload") }
            return removed
        }
        attempt { () throws(TunnelServerFailure) in try jail.removeOthers(than: []) }
        attempt { () throws(TunnelServerFailure) in try account.remove() }
        attempt { () throws(TunnelServerFailure) in
            // Never through a mount into a service's own folder.
            guard Files.exists(folders.tunnels), jail.mounted().isEmpty else { return [] }
            do { try Files.removeTree(folders.tunnels) } catch {
                throw TunnelServerFailure("remove \(folders.tunnels)", error)
            }
            // Shared by all meshes of the node; the last one takes it.
            rmdir(Files.folder(of: folders.tunnels))
            return ["folder \(folders.tunnels)"]
        }
        if let failure { throw failure }
        return gone.filter { $0 != folders.tunnelGrants }
    }

    private func endSessions() throws(TunnelServerFailure) -> [String] {
        let all = sessions.all()
        let left = sessions.end(all)
        guard left.isEmpty else {
            let list = left.map { "\($0.process)" }.joined(separator: ", ")
            throw TunnelServerFailure(
                .unexpected, "\(left.count) sessions do not end: processes \(list)",
                fix: "see their state in /proc/PROCESS/status")
        }
        return all.isEmpty ? [] : ["\(all.count) tunnel sessions"]
    }

    private func removeFile(_ path: String) throws(TunnelServerFailure) -> [String] {
        do throws(SystemError) { return try Files.remove(path) ? [path] : [] } catch {
            throw TunnelServerFailure("remove \(path)", error)
        }
    }
}
