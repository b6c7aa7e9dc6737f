import Glibc
import LinuxSystem
import MeshController
import NodeProtocol
import Testing

/// A rehearsal mesh for one test: real hosts, real sshd, real WireGuard, and this program as an operator runs it.
final class LabMesh {
    /// What the operator wrote.
    struct Host {
        let name: String
        let address: String
    }

    let mesh: String
    let folder: String
    private(set) var hosts: [Host]
    /// The topology that names every host there is.
    private(set) var hostsPath: String

    /// Writes the topology and builds the hosts.
    ///
    /// - Parameter installed: whether the program is on the hosts already, which spares an emulated machine from
    ///   encrypting it for each of them; nil: where it is emulated.
    init(
        _ mesh: String, hosts names: [String], overlay: String = "10.88.0.0/24, fd88::/64",
        tail: String = "", guarded: Bool = true, peering: String = "full",
        installed: Bool? = nil
    ) throws {
        self.mesh = mesh
        folder = "/tmp/meshproof-test-\(mesh)-\(getpid())"
        hostsPath = "\(folder)/topology.yaml"
        hosts = names.enumerated().map { Host(name: $1, address: "198.51.100.\(11 + $0)") }
        try Files.makeFolder(folder)
        try write(overlay: overlay, tail: tail, guarded: guarded, peering: peering)
        // What a former run that was killed left behind must not decide this one.
        _ = try? meshproof("lab", "down")
        let up = try meshproof("lab", "up", timeout: 300)
        try #require(up.status.isSuccess, "lab up: \(up.errorText)\n\(up.text)")
        if installed ?? LabConditions.isUnderEmulation {
            for host in hosts {
                let place = "/usr/local/lib/meshproof/meshproof"
                try #require(
                    try on(host.name, "install", "-D", Self.absoluteProgram, place).status.isSuccess
                )
            }
        }
    }

    deinit {
        _ = try? meshproof("lab", "down", timeout: 120)
        try? Files.removeTree(folder)
    }

    var topologyPath: String { "\(folder)/topology.yaml" }
    var stateFolder: String { "/run/meshproof-lab/\(mesh)/state" }

    /// Which backend the tests are to run against: `kernel` or `userspace`.
    static var backend: String {
        getenv("MESHPROOF_BACKEND").map { String(cString: $0) } ?? "auto"
    }

    /// Rewrites the topology; `names` adds hosts behind those that are there.
    func write(
        overlay: String = "10.88.0.0/24, fd88::/64", adding names: [String] = [], tail: String = "",
        port: Int = 51820, guarded: Bool = true, peering: String = "full"
    ) throws {
        hosts += names.map { Host(name: $0, address: "198.51.100.\(11 + hosts.count)") }
        var text = """
            mesh:
              name: \(mesh)
              network: [\(overlay)]
              port: \(port)
              peering: \(peering)
              guard: \(guarded ? "on" : "off")

            nodes:

            """
        for host in hosts {
            text +=
                "  \(host.name): { connect: ssh://root@\(host.address), endpoint: \(host.address), backend: \(Self.backend) }\n"
        }
        try Files.replace(topologyPath, with: (text + "\n" + tail).utf8, mode: 0o644)
    }

    /// Whatever becomes of the topology, the hosts that it names now can still be entered.
    func keepHosts() throws {
        hostsPath = "\(folder)/hosts.yaml"
        try Files.replace(hostsPath, with: try Files.read(topologyPath), mode: 0o644)
    }

    /// Takes a node out of the topology; its host stays, and can still be entered.
    func drop(_ name: String, tail: String = "", peering: String = "full") throws {
        try keepHosts()
        hosts.removeAll { $0.name == name }
        try write(tail: tail, peering: peering)
    }

    /// Runs this program on the test's topology.
    func meshproof(_ arguments: String..., timeout: Double = 240) throws -> CommandResult {
        try Child.run(command(arguments), timeout: timeout)
    }

    /// The command line that runs this program on the test's topology.
    func command(_ arguments: [String]) -> [String] {
        [Self.program] + arguments + ["-t", topologyPath]
    }

    static var absoluteProgram: String {
        program.hasPrefix("/") ? program : currentFolder() + "/" + program
    }

    static var program: String {
        getenv("MESHPROOF_BIN").map { String(cString: $0) } ?? ".build/debug/meshproof"
    }

    /// Runs a command on a host of the lab, with all its namespaces.
    func on(_ host: String, _ arguments: String..., timeout: Double = 60) throws -> CommandResult {
        do {
            return try Child.run(
                [Self.program, "lab", "exec", "-t", hostsPath, host, "--"] + arguments,
                timeout: timeout)
        } catch {
            Issue.record(
                "on \(host), within \(timeout) s: \(arguments.joined(separator: " ")): \(error)")
            throw error
        }
    }

    /// Runs a shell script on a host, with something on its standard input.
    func on(_ host: String, input: String, _ script: String) throws -> CommandResult {
        try Child.run(
            [Self.program, "lab", "exec", "-t", hostsPath, host, "--", "sh", "-c", script],
            input: Array(input.utf8))
    }

    /// `up`, which must succeed.
    @discardableResult
    func up(_ options: String..., timeout: Double = 240) throws -> UpReport {
        let result = try Child.run(command(["--lab", "up", "--json"] + options), timeout: timeout)
        try #require(result.status.isSuccess, "up: \(result.errorText)\n\(result.text)")
        return try decode(UpReport.self, result)
    }

    func plan() throws -> (report: PlanReport, status: LinuxSystem.ExitStatus) {
        let result = try meshproof("--lab", "plan", "--json")
        return (try decode(PlanReport.self, result), result.status)
    }

    func status() throws -> (report: StatusReport, status: LinuxSystem.ExitStatus) {
        let result = try meshproof("--lab", "status", "--json")
        return (try decode(StatusReport.self, result), result.status)
    }

    func decode<Value: Decodable>(_ type: Value.Type, _ result: CommandResult) throws -> Value {
        do { return try Wire.decode(Envelope<Value>.self, from: result.output).result } catch {
            Issue.record("no JSON: \(error.message): \(result.text) \(result.errorText)")
            throw error
        }
    }

    /// Waits until `condition` holds; false after `seconds`.
    static func wait(_ seconds: Double, until condition: () throws -> Bool) rethrows -> Bool {
        let deadline = Clocks.monotonic() + seconds
        while Clocks.monotonic() < deadline {
            if try condition() { return true }
            Clocks.sleep(0.3)
        }
        return false
    }
}

private func currentFolder() -> String {
    guard let path = getcwd(nil, 0) else { return "." }
    defer { free(path) }
    return String(cString: path)
}

/// What is around every result that `--json` prints.
private struct Envelope<Value: Decodable>: Decodable { let result: Value }

/// Whether labs can be built here at all.
enum LabConditions {
    static var isRoot: Bool { geteuid() == 0 }
    /// Where every instruction is emulated, all takes about ten times as long.
    static let isUnderEmulation: Bool = {
        let text = (try? Files.read("/proc/cpuinfo")) ?? []
        return String(decoding: text, as: UTF8.self).contains("QEMU TCG")
    }()
}
