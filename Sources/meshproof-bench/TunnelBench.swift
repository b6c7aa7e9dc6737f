import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel

/// The near end of a tunnel as a process of its own, to be measured beside `ssh -L`, and a load to measure both with.
enum TunnelBench {
    /// `forward SERVER USER IDENTITY ENTRANCE TARGET HOSTKEY-FILE`: forwards until standard input ends.
    /// `serve ADDRESS`: the service behind the tunnel, until standard input ends.
    /// `up|down ADDRESS BYTES STREAMS`: seconds for so many bytes in each of so many connections.
    /// `rtt ADDRESS COUNT`: microseconds for one byte there and back, the median.
    /// `hold ADDRESS COUNT`: opens so many connections, says `open`, and keeps them until standard input ends.
    static func run(_ arguments: [String]) -> Int32 {
        do {
            switch (arguments.first, arguments.count) {
            case ("forward", 7): return try forward(arguments)
            case ("serve", 2): return try TunnelLoad.serve(at: endpoint(arguments[1]))
            case ("up", 4), ("down", 4):
                let seconds = try TunnelLoad.move(
                    arguments[0] == "up" ? .up : .down, at: endpoint(arguments[1]),
                    bytes: number(arguments[2]), streams: number(arguments[3]))
                print(BenchOutput.text(seconds * 1e6))
                return 0
            case ("rtt", 3):
                print(
                    BenchOutput.text(
                        try TunnelLoad.roundTrip(
                            at: endpoint(arguments[1]), count: number(arguments[2]))))
                return 0
            case ("hold", 3):
                return try TunnelLoad.hold(
                    at: endpoint(arguments[1]), count: number(arguments[2]))
            default: return BenchOutput.usage()
            }
        } catch {
            try? IO.writeAll(2, Array("meshproof-bench: \(error)\n".utf8))
            return 1
        }
    }

    private static func forward(_ words: [String]) throws -> Int32 {
        guard let server = Endpoint(words[1]) else { throw usage(words[1]) }
        let desired = DesiredTunnel(
            edge: "bench", node: "bench", way: .underlay, server: server, user: words[2],
            hostKeys: [try key(words[6])], clientKey: try key(words[3] + ".pub"),
            entrances: [.tcp(try endpoint(words[4]))], target: .tcp(try endpoint(words[5])))
        let tunnel = try Tunnel(desired, identityFile: words[3])
        let deadline = Clocks.monotonic() + 15
        while tunnel.status().state != .up {
            if Clocks.monotonic() > deadline {
                let words = tunnel.status().lastError?.message ?? "it does not come up"
                throw SystemError("tunnel", "bench", errno: 0, detail: words)
            }
            Clocks.sleep(0.01)
        }
        try IO.writeAll(1, Array("up \(tunnel.status().algorithms?.cipherOut ?? "")\n".utf8))
        TunnelLoad.awaitEnd()
        tunnel.stop(drain: 0)
        return 0
    }

    private static func key(_ path: String) throws -> PublicKey {
        let text = String(decoding: try Files.read(path), as: UTF8.self)
        guard let key = PublicKey(openSSHText: text) else { throw usage(path) }
        return key
    }

    private static func endpoint(_ text: String) throws -> SocketEndpoint {
        guard let endpoint = SocketEndpoint(text) else { throw usage(text) }
        return endpoint
    }

    private static func number(_ text: String) throws -> Int {
        guard let value = Int(text), value > 0 else { throw usage(text) }
        return value
    }

    private static func usage(_ word: String) -> SystemError {
        SystemError("read", word, errno: EINVAL)
    }
}
