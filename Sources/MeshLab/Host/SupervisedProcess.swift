import CLinux
import Glibc
import LinuxSystem

/// One program that a host keeps running: prepared once, started, and started again with growing patience.
final class SupervisedProcess {
    let name: String
    let service: ServiceSpec?
    private let prepare: [String]
    private let command: [String]
    private let environment: [String]?
    private let folder: String?
    private(set) var state: HostReport.Process.State
    private(set) var pid: Int32?
    /// When it is to be looked at again without any signal.
    private(set) var due: Double?
    private var restarts = 0
    private var patience = 0.2
    private var startedAt = 0.0
    private var lastEnd: String?

    /// The host's own sshd.
    init(name: String, command: [String]) {
        self.name = name
        self.command = command
        prepare = []
        service = nil
        environment = nil
        folder = nil
        state = .waiting
        due = 0
    }

    /// A service of the topology.
    init(service: ServiceSpec, mesh: String, node: String) {
        name = service.name
        self.service = service
        prepare = service.prepare
        command = SupervisedProcess.command(service)
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        environment = [
            "PATH=\(path)", "HOME=/root", "LANG=C.UTF-8", "MESHPROOF_LAB=\(mesh)",
            "MESHPROOF_NODE=\(node)", "MESHPROOF_SERVICE=\(service.name)",
        ]
        folder = Files.isFolder(service.folder) ? service.folder : "/"
        state = prepare.isEmpty ? .waiting : .preparing
        due = 0
    }

    var report: HostReport.Process {
        HostReport.Process(
            name: name, state: state, pid: pid, restarts: restarts, ended: lastEnd)
    }

    /// Starts what is due.
    func advance(now: Double) {
        guard pid == nil, let due, due <= now else { return }
        self.due = nil
        startedAt = now
        launch(state == .preparing ? prepare : command)
        if pid == nil {
            again(now)
        } else if state == .waiting {
            state = .running
        }
    }

    /// Takes note of its end.
    func ended(_ how: String, success: Bool, now: Double) {
        pid = nil
        lastEnd = how
        switch state {
        case .preparing where success:
            state = .waiting
            due = now
        case .preparing:
            // Running it once more would hide why it failed; `lab up` reports it with its log.
            state = .failed
            lastEnd = "prepare: \(how)"
        case .running, .waiting:
            if now - startedAt > 10 { patience = 0.2 }
            restarts += 1
            again(now)
        case .failed: break
        }
    }

    /// Ends it for good.
    func stop() {
        if let pid { kill(pid, SIGTERM) }
    }

    private func again(_ now: Double) {
        state = state == .preparing ? .failed : .waiting
        due = state == .failed ? nil : now + patience
        patience = min(patience * 2, 10)
    }

    private func launch(_ arguments: [String]) {
        let path = "\(HostSSHD.folder)/log/\(name).log"
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
        let log = Descriptor(owning: cl_open(path, flags, 0o600))
        do {
            let child = try Child(
                arguments, output: log.number, errors: log.number, environment: environment,
                newSession: true, directory: folder)
            pid = child.pid
        } catch {
            lastEnd = error.description
            if log.number >= 0 { try? IO.writeAll(log.number, Array("\(error)\n".utf8)) }
        }
    }

    private static func command(_ service: ServiceSpec) -> [String] {
        if service.isStandIn {
            return [
                "/proc/self/exe", "lab-service", "--name", service.name, "--kind", service.kind,
                "--port", String(service.port),
            ] + service.binds.flatMap { ["--bind", $0] }
        }
        guard let user = service.user, user != "root" else { return service.run }
        return [
            "setpriv", "--reuid", user, "--regid", group(of: user), "--init-groups", "--reset-env",
        ] + service.run
    }

    /// The number of a user's own group, which need not have the user's name.
    private static func group(of user: String) -> String {
        let text = (try? Files.read("/etc/passwd")) ?? []
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count > 3, fields[0] == user { return String(fields[3]) }
        }
        return user
    }
}
