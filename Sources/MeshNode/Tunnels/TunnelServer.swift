import LinuxSystem
package import MeshModel

/// The tunnel server of one mesh on this node: an sshd of its own, for tunnels alone.
///
/// What is there is asked of the file system and the process table each time, and nothing is diffed against memory. Under
/// systemd the agent's sandbox may look but not touch; what needs more is done by a run of this program outside it.
package final class TunnelServer {
    private let folders: NodeFolders
    private let work: TunnelServerWork
    private let helper: TunnelServerHelper?
    private let log: NodeLog
    /// What was last wanted, for ``tend()``.
    private var wanted: DesiredTunnelServer?
    private var failure: (TunnelServerFailure, at: Double)?
    private var pacer = StartPacer()

    /// The log is cut back to the open sessions beyond this. *Units:* bytes.
    private static let logLimit = 1 << 20

    /// The server of a mesh's folders.
    ///
    /// - Parameters:
    ///   - program: our own program's file.
    ///   - sshd: a name to find in PATH, or a path.
    package init(
        folders: NodeFolders, storage: any NodeStorage, keys: NodeKeys, log: NodeLog,
        program: String, sshd: String = "sshd"
    ) {
        self.folders = folders
        self.log = log
        let listener = TunnelListener(folders: folders, sshd: sshd)
        work = TunnelServerWork(
            folders: folders, storage: storage, keys: keys, listener: listener, program: program)
        helper =
            listener.hasSystemd && TunnelServerHelper.isNeeded
            ? TunnelServerHelper(folders: folders, program: program) : nil
    }

    // MARK: looking

    /// How the server is, against what is wanted; nil where none is wanted and nothing of one is there.
    package func observe(_ wanted: DesiredTunnelServer?) -> ObservedTunnelServer? {
        self.wanted = wanted
        guard let wanted else {
            failure = nil
            let left = leftovers()
            return left.isEmpty
                ? nil
                : ObservedTunnelServer(
                    differences: left.map { "\($0) is still there" },
                    process: work.listener.process(), sessions: 0)
        }
        let granted = Set(wanted.grants.map { SessionLog.fingerprint($0.key) })
        let sessions =
            (try? work.sessions.count(port: wanted.port, granted: granted)) ?? (all: 0, unwanted: 0)
        let process = work.listener.process()
        var differences = self.differences(wanted, process)
        if sessions.unwanted > 0 {
            differences.append("\(sessions.unwanted) sessions of keys that are not let in any more")
        }
        if differences.isEmpty { failure = nil }
        return ObservedTunnelServer(
            differences: differences, process: process, sessions: sessions.all,
            problem: problem(wanted, process))
    }

    private func differences(_ wanted: DesiredTunnelServer, _ process: Int32?) -> [String] {
        var lines: [String] = []
        let account = work.account
        if !account.isReady(wanted.user) { lines.append("there is no user \(wanted.user) of ours") }
        lines += account.names().filter { $0 != wanted.user }.map { "user \($0) is still there" }
        lines += TunnelGrants(folders: folders).differences(wanted.grants)
        let text = try? work.configuration(wanted)
        let there = (try? Files.read(folders.tunnelConfiguration)) ?? []
        if there.isEmpty {
            lines.append("sshd has no configuration")
        } else if text.map({ Array($0.utf8) != there }) ?? true {
            lines.append("sshd's configuration is another")
        }
        if let unit = work.unit(), (try? Files.read(folders.tunnelsUnit)) != Array(unit.utf8) {
            lines.append("the unit \(folders.tunnelsUnitName) is not as it should be")
        }
        let sockets = TunnelJail.folders(for: wanted.grants)
        lines += work.jail.missing(sockets).map { "\($0) is not mounted for the sessions" }
        lines += work.jail.mounted().filter { !sockets.contains($0) }.map {
            "\($0) is still mounted for the sessions"
        }
        if process == nil {
            lines.append("no sshd listens at port \(wanted.port)")
        } else {
            lines += work.listener.silent(wanted).map {
                "sshd does not listen at \(SocketEndpoint($0, wanted.port))"
            }
            if work.listener.isOutdated() { lines.append("sshd was updated since it was started") }
        }
        return lines
    }

    private func problem(_ wanted: DesiredTunnelServer, _ process: Int32?) -> TunnelProblem? {
        let now = Clocks.wall()
        if work.listener.program == nil { return TunnelListener.missing.problem(at: now) }
        if let failure { return failure.0.problem(at: failure.at) }
        if process == nil, let obstacle = work.listener.obstacle(wanted, own: nil) {
            return obstacle.problem(at: now)
        }
        let absent = TunnelJail.folders(for: wanted.grants).filter { !Files.isFolder($0) }
        guard let folder = absent.first else { return nil }
        return TunnelProblem(
            at: now, code: .targetRefused,
            message: "a tunnel's target is a socket in \(folder), and there is no such folder",
            fix: "start the service whose socket it is")
    }

    /// What of the server is there, a line each; for the sweep at the end of `down`.
    package func leftovers() -> [String] {
        var left: [String] = []
        if let process = work.listener.process() { left.append("process \(process) (sshd)") }
        left += work.sessions.all().map { "process \($0.process) (tunnel session)" }
        left += work.jail.mounted().map { "mount \(folders.tunnelJail)\($0)" }
        left += work.account.names().map { "user \($0)" }
        for path in [folders.tunnels, folders.tunnelsUnit] where Files.exists(path) {
            left.append("file \(path)")
        }
        return left
    }

    // MARK: changing

    /// Makes the server as wanted. *Idempotency:* as often as wanted; what is right is left alone, sessions above all.
    package func set(_ wanted: DesiredTunnelServer) throws(NodeError) {
        self.wanted = wanted
        do throws(TunnelServerFailure) {
            if let helper { try helper.set(wanted) } else { try work.set(wanted) }
            failure = nil
        } catch {
            failure = (error, Clocks.wall())
            throw error.error
        }
    }

    /// Ends sessions and server, and removes user, files, mounts and unit. Says what was there.
    package func remove() throws(NodeError) -> [String] {
        wanted = nil
        failure = nil
        do throws(TunnelServerFailure) {
            if let helper { return try helper.remove() }
            return try work.remove()
        } catch {
            throw error.error
        }
    }

    /// Starts the server again where it has died, later and later while that fails; and bounds its log.
    package func tend() {
        guard let wanted else { return }
        let now = Clocks.monotonic()
        let isWell =
            work.listener.process() != nil && work.listener.isPrepared
            && work.listener.silent(wanted).isEmpty
        if isWell {
            pacer.succeed()
            if logSize > Self.logLimit { trim(wanted) }
            return
        }
        guard work.listener.program != nil, pacer.isDue(now) else { return }
        pacer.attempt(now)
        do throws(NodeError) {
            try set(wanted)
            log.warning("the tunnel server was gone; it runs again")
        } catch {
            log.error("\(error)")
        }
    }

    private var logSize: Int { Files.size(folders.tunnelLog) ?? 0 }

    private func trim(_ wanted: DesiredTunnelServer) {
        do throws(TunnelServerFailure) {
            if let helper { try helper.trim() } else { try work.trimLog() }
        } catch {
            log.warning("\(error.message)")
        }
    }
}

/// When the server is tried again: after 1, 2, 4 … 60 seconds. Pure: time comes in.
struct StartPacer {
    private var attempts = 0
    private var next = -Double.infinity

    func isDue(_ now: Double) -> Bool { now >= next }

    mutating func attempt(_ now: Double) {
        next = now + min(Double(1 << min(attempts, 6)), 60)
        attempts += 1
    }

    mutating func succeed() {
        attempts = 0
        next = -.infinity
    }
}
