import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol

/// Has systemd run this program outside the agent's sandbox, for what the sandbox forbids: users, mounts, other
/// processes' sessions. What is to be done goes in and comes back as JSON.
///
/// *Source:* systemd-run(1). A root process may ask that of systemd whatever its capabilities.
struct TunnelServerHelper {
    let folders: NodeFolders
    let program: String

    /// What such a run answers.
    struct Answer: Codable {
        var removed: [String] = []
        var failure: TunnelServerFailure?
    }

    /// Whether this process lacks what the work needs. *Source:* capabilities(7): CAP_SYS_ADMIN is bit 21.
    static var isNeeded: Bool {
        let text = (try? Files.read("/proc/self/status", limit: 1 << 16)) ?? []
        for line in text.split(separator: 10) where line.starts(with: "CapEff:".utf8) {
            let digits = line.dropFirst(7).filter { $0 > 32 }
            let set = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
            return set & (1 << 21) == 0
        }
        return false
    }

    func set(_ wanted: DesiredTunnelServer) throws(TunnelServerFailure) {
        let text: [UInt8]
        do { text = try Wire.encode(wanted) } catch {
            throw TunnelServerFailure("write down the tunnel server", error)
        }
        _ = try run("set", input: text)
    }

    func remove() throws(TunnelServerFailure) -> [String] { try run("remove").removed }

    func trim() throws(TunnelServerFailure) { _ = try run("trim") }

    private func run(_ verb: String, input: [UInt8] = []) throws(TunnelServerFailure) -> Answer {
        let result: CommandResult
        do {
            result = try Child.run(
                [
                    "systemd-run", "--quiet", "--wait", "--pipe", "--collect",
                    "--property=LimitCORE=0", "--setenv=SWIFT_BACKTRACE=enable=no",
                    "--description=meshproof: tunnel server of \(folders.mesh)", "--",
                    program, "node", "tunnel-server", verb, "--mesh", folders.mesh,
                ], input: input, timeout: 60, limit: 1 << 20)
        } catch {
            throw TunnelServerFailure("systemd-run", error)
        }
        if let answer = try? Wire.decode(Answer.self, from: result.output) {
            if let failure = answer.failure { throw failure }
            return answer
        }
        throw TunnelServerFailure(
            .unexpected, "systemd-run: \(result.errorText)", fix: "see `journalctl -b -p warning`")
    }
}
