import CLinux
import Glibc
import LinuxSystem

/// The init of a lab host: process 1 of its own process, network, mount, UTS and IPC namespaces.
///
/// It is started by ``Lab/up(timeout:progress:)`` as `meshproof lab-host --folder FOLDER` through `unshare`, and is no
/// command for people. It makes the namespaces a machine of its own, starts the management sshd and the services,
/// restarts what dies, and reaps what is orphaned.
public enum LabHost {
    /// Runs until SIGTERM; the exit code of the process.
    ///
    /// - Parameter arguments: what follows `lab-host` on the command line.
    public static func run(_ arguments: [String]) -> Int32 {
        if arguments.first == "--probe" { return LanProbe.run(Array(arguments.dropFirst())) }
        guard arguments.count == 2, arguments[0] == "--folder" else {
            return fail(
                "usage: meshproof lab-host --folder FOLDER (started by `meshproof lab up`)", 64)
        }
        guard getpid() == 1 else {
            return fail(
                "lab-host must be process 1 of its own namespace; use `meshproof lab up`", 64)
        }
        do {
            return try serve(arguments[1])
        } catch {
            // It becomes part of another error's text, which may have a hint of its own.
            return fail(error.summary + (error.hint.map { " (\($0))" } ?? ""), 1)
        }
    }

    private static func serve(_ folder: String) throws(LabError) -> Int32 {
        let signals = Descriptor(
            owning: cl_signalfd([SIGCHLD, SIGTERM, SIGINT, SIGHUP], 4))
        umask(0o022)
        let held: FileLock?
        do { held = try FileLock(path: "\(folder)/lock") } catch { throw LabError(error) }
        guard let held else {
            throw LabError(.busy, "start", folder, "this host has an init already")
        }
        guard let bytes = try? Files.read("\(folder)/spec.json"),
            let spec = LabJSON.decode(HostSpec.self, bytes)
        else { throw LabError(.failed, "read", "\(folder)/spec.json", "no host is wanted here") }
        say("locked")
        try HostNetwork.build(spec)
        let notes = try HostMounts.build(spec, folder: folder)
        try HostAccounts.build(spec)
        let sshd = try HostSSHD.prepare(spec)
        say("built")
        let supervisor = Supervisor(spec: spec, sshd: sshd, notes: notes)
        silenceStart()
        supervisor.run(signals: signals.number)
        // Held until here: the lock is how the machine knows that this host is alive.
        _ = consume held
        return 0
    }

    /// Tells `up`, at the other end of the pipe, how far we are; nobody may be listening any more.
    private static func say(_ line: String) {
        try? IO.writeAll(1, Array("\(line)\n".utf8))
    }

    /// Lets go of the pipe, so that `up` sees its end.
    private static func silenceStart() {
        let null = cl_open("/dev/null", O_WRONLY | O_CLOEXEC, 0)
        if null >= 0 {
            dup2(null, 1)
            close(null)
        }
    }

    private static func fail(_ text: String, _ code: Int32) -> Int32 {
        try? IO.writeAll(2, Array("meshproof: \(text)\n".utf8))
        return code
    }
}
