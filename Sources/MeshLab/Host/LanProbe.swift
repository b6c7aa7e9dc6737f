import LinuxSystem
import MeshModel

/// Asks, from within the lan, whether every host's sshd answers; a helper process of `lab up`.
enum LanProbe {
    /// `--probe SECONDS NODE=ADDRESS:PORT…`: prints a line for each that does not answer in time.
    static func run(_ arguments: [String]) -> Int32 {
        guard let first = arguments.first, let seconds = Double(first) else { return 64 }
        let deadline = Clocks.monotonic() + seconds
        let targets = arguments.dropFirst().compactMap { text -> (String, SocketEndpoint)? in
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let endpoint = SocketEndpoint(String(parts[1])) else {
                return nil
            }
            return (String(parts[0]), endpoint)
        }
        let silent = try? fanOut(targets, limit: 16, name: "probe") { target in
            LanProbe.greet(target.1, until: deadline).map { "\(target.0): \($0)" }
        }
        let lines = (silent ?? ["the probe could not start"]).compactMap { $0 }
        try? IO.writeAll(1, Array(lines.map { "\($0)\n" }.joined().utf8))
        return lines.isEmpty ? 0 : 1
    }

    /// Nil once the server has said `SSH-`; else why not.
    private static func greet(_ endpoint: SocketEndpoint, until deadline: Double) -> String? {
        var reason = "no answer"
        while true {
            let left = deadline - Clocks.monotonic()
            if left <= 0 { return "\(endpoint): \(reason)" }
            do throws(SystemError) {
                let socket = try Sockets.connect(endpoint, timeout: min(left, 2))
                if try IO.wait(socket.number, milliseconds: Int32(left * 1000)) {
                    let banner = try IO.read(socket.number, limit: 256)
                    if banner.starts(with: Array("SSH-".utf8)) { return nil }
                    reason = "it is no SSH server"
                }
            } catch {
                reason = SystemError.text(error.errno)
            }
            Clocks.sleep(0.02)
        }
    }
}
