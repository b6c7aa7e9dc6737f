import CLinux
import Glibc
import LinuxSystem

/// Keeps a host's sshd and services running, and reaps everything: what process 1 is for.
///
/// One thread; wakes for signals and for the next thing that is due, never otherwise.
final class Supervisor {
    private let spec: HostSpec
    private let sshd: SupervisedProcess
    private var services: [SupervisedProcess] = []
    private let since = Clocks.wall()
    private let notes: [String]
    private var reported: HostReport?

    init(spec: HostSpec, sshd: [String], notes: [String]) {
        self.spec = spec
        self.notes = notes
        self.sshd = SupervisedProcess(name: "sshd", command: sshd)
    }

    func run(signals: Int32) {
        reload()
        while true {
            let now = Clocks.monotonic()
            for process in all { process.advance(now: now) }
            report()
            let due = all.compactMap(\.due).min()
            let wait =
                due.map { Int32(min(max($0 - Clocks.monotonic(), 0) * 1000 + 1, 60_000)) } ?? -1
            _ = try? IO.wait(signals, milliseconds: wait)
            var reloads = false
            while true {
                let signal = cl_signalfd_read(signals)
                if signal < 0 { break }
                if signal == SIGTERM || signal == SIGINT { return end() }
                if signal == SIGHUP { reloads = true }
            }
            reap()
            if reloads { reload() }
        }
    }

    private var all: [SupervisedProcess] { [sshd] + services }

    /// Takes over the list of services: what is gone or changed is stopped, what is new is started.
    private func reload() {
        guard let bytes = try? Files.read("\(HostSSHD.folder)/services.json"),
            let wanted = LabJSON.decode([ServiceSpec].self, bytes)
        else { return }
        for old in services where !wanted.contains(where: { $0 == old.service }) { old.stop() }
        services = wanted.map { service in
            services.first { $0.service == service && $0.state != .failed }
                ?? SupervisedProcess(service: service, mesh: spec.mesh, node: spec.node)
        }
    }

    private func reap() {
        var status: Int32 = 0
        while true {
            let pid = waitpid(-1, &status, WNOHANG)
            if pid <= 0 { return }
            let text =
                cl_exited(status) != 0
                ? "exit \(cl_exit_status(status))" : "signal \(cl_signalled_by(status))"
            let now = Clocks.monotonic()
            for process in all where process.pid == pid {
                process.ended(text, success: status == 0, now: now)
            }
        }
    }

    /// Writes the report where it has changed, for `up` and `status` to read from outside.
    private func report() {
        let state: HostReport.State = sshd.state == .failed ? .failed : .ready
        let report = HostReport(
            state: state, since: since, notes: notes, sshd: sshd.report,
            services: services.map(\.report))
        if report == reported { return }
        guard let bytes = try? LabJSON.encode(report) else { return }
        try? Files.replace("\(HostSSHD.folder)/status.json", with: bytes, mode: 0o644)
        reported = report
    }

    /// Asks everything in the namespace to end and gives it two seconds; the kernel kills the rest with us.
    private func end() {
        kill(-1, SIGTERM)
        let deadline = Clocks.monotonic() + 2
        while Clocks.monotonic() < deadline {
            let pid = waitpid(-1, nil, WNOHANG)
            if pid < 0 { return }
            if pid == 0 { Clocks.sleep(0.01) }
        }
    }
}
