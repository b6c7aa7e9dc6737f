import CLinux
import Glibc
import LinuxSystem
import NodeProtocol

/// Sees to it that the agent of this program runs: by systemd where there is one, else in a session of its own.
struct AgentStarter {
    let folders: NodeFolders
    /// The program's own file, to be run and to be compared with what runs.
    let program: String

    /// How long the agent may take to answer, and an old one to end. *Units:* seconds.
    private static let patience: Double = 10

    /// Whether it was running already, was restarted, or was started.
    ///
    /// *Idempotency:* an agent of this very program is left alone; one of another is ended and replaced. Neither
    /// touches the data plane.
    func ensure() throws(NodeError) -> String {
        let unitIsCurrent = try installUnit()
        let running = runningAgent()
        if let running, unitIsCurrent, isThisProgram(running), answers() { return "running" }
        if hasSystemd {
            try systemctl("enable", "--quiet", folders.unitName)
            try systemctl("stop", folders.unitName)
            // One that was started without systemd is not its to stop.
            if let stray = runningAgent() { try end(stray) }
            try systemctl("start", folders.unitName)
        } else {
            if let running { try end(running) }
            try startDetached()
        }
        try awaitAnswer()
        return running == nil ? "started" : "restarted"
    }

    /// The process that holds the agent's lock.
    func runningAgent() -> Int32? {
        guard Files.exists(folders.lock), let holder = FileLock.holder(path: folders.lock) else {
            return nil
        }
        do {
            // The lock tells, not the number: that may be of an agent long gone.
            if try FileLock(path: folders.lock) != nil { return nil }
        } catch { return nil }
        return holder
    }

    private var hasSystemd: Bool { Files.isFolder(folders.systemd) }

    /// True where the unit was as it should be, or none is wanted.
    private func installUnit() throws(NodeError) -> Bool {
        guard hasSystemd else { return true }
        let text = Array(SystemdUnit.text(mesh: folders.mesh, program: program).utf8)
        do {
            if try Files.readIfPresent(folders.unit) == text { return true }
            try Files.replace(folders.unit, with: text, mode: 0o644)
        } catch {
            throw NodeError("install unit", error)
        }
        try systemctl("daemon-reload")
        return false
    }

    private func systemctl(_ arguments: String...) throws(NodeError) {
        let result: CommandResult
        do { result = try Child.run(["systemctl"] + arguments, timeout: 60) } catch {
            throw NodeError("run systemctl", error)
        }
        guard result.status.isSuccess else {
            throw NodeError(
                .agentSilent, "systemctl " + arguments.joined(separator: " "), "",
                result.errorText, hint: "see `journalctl -u \(folders.unitName)`")
        }
    }

    private func isThisProgram(_ process: Int32) -> Bool {
        var running = stat()
        var own = stat()
        // The link leads to the very file, even where another has taken its name since.
        return stat("/proc/\(process)/exe", &running) == 0 && stat("/proc/self/exe", &own) == 0
            && running.st_dev == own.st_dev && running.st_ino == own.st_ino
    }

    /// Ends an agent: politely, then not.
    func end(_ process: Int32) throws(NodeError) {
        for (signal, limit) in [(SIGTERM, Self.patience / 2), (SIGKILL, Self.patience / 2)] {
            kill(process, signal)
            let deadline = Clocks.monotonic() + limit
            while Clocks.monotonic() < deadline {
                if runningAgent() == nil { return }
                Clocks.sleep(0.02)
            }
        }
        throw NodeError(
            .agentRunning, "end agent", "process \(process)", "it does not end",
            hint: "it may hang in the kernel; see its state in /proc/\(process)/status")
    }

    private func startDetached() throws(NodeError) {
        do {
            // Nothing of the session that enrols is kept: no terminal, no descriptor, no folder, no environment.
            let environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
            let child = try Child(
                [program, "node", "agent", "--mesh", folders.mesh, "--detached"],
                environment: environment + ["SWIFT_BACKTRACE=enable=no"], newSession: true,
                directory: "/")
            _ = child.pid
        } catch {
            throw NodeError("start agent", error)
        }
    }

    private func awaitAnswer() throws(NodeError) {
        let deadline = Clocks.monotonic() + Self.patience
        while Clocks.monotonic() < deadline {
            if answers() { return }
            Clocks.sleep(0.02)
        }
        throw NodeError(
            .agentSilent, "start agent", "",
            "it does not answer within \(Int(Self.patience)) seconds",
            hint: hasSystemd
                ? "see `journalctl -u \(folders.unitName)`" : "see \(folders.log)")
    }

    /// Whether an agent says hello.
    func answers() -> Bool {
        guard let socket = try? AgentSocket.connect(folders.socket),
            let hello = try? Wire.encode(Request.hello(version: ProtocolVersion.current)),
            let frame = try? FrameReader.frame(hello),
            (try? IO.writeAll(socket.number, frame)) != nil
        else { return false }
        var reader = FrameReader()
        let deadline = Clocks.monotonic() + 2
        while Clocks.monotonic() < deadline {
            guard (try? IO.wait(socket.number, milliseconds: 500)) == true else { continue }
            guard let chunk = try? IO.read(socket.number), !chunk.isEmpty else { return false }
            reader.append(chunk)
            if let answer = try? reader.next() {
                guard case .hello? = try? Wire.decode(Response.self, from: answer) else {
                    return false
                }
                return true
            }
        }
        return false
    }
}
