import Glibc
import LinuxSystem
import NodeProtocol
import Testing

/// The traffic program beside this file, on a lab's hosts.
enum Traffic {
    /// Where it is; hosts of the lab see the same file system.
    static let program: String = {
        let here = String(#filePath).split(separator: "/").dropLast().joined(separator: "/")
        return "/\(here)/traffic.py"
    }()

    /// How connections ended.
    struct Result: Decodable {
        var outcomes: [String: Int]
        var received: UInt64
    }

    private struct Knocks: Decodable { var good: Int }

    /// Opens, uses and closes connections one after the other; how many were good.
    static func knock(
        _ lab: LabMesh, _ host: String, port: String, host address: String = "127.0.0.1",
        count: Int
    ) throws -> Int {
        let result = try lab.on(
            host, "/usr/bin/python3", program, "knock", port, "\(count)", address, timeout: 300)
        return try Wire.decode(Knocks.self, from: result.output).good
    }
}

/// A command that runs on a host while the test goes on.
final class Background {
    private let child: Child
    private let output: Descriptor
    private let input: Descriptor
    private(set) var text = ""

    init(_ lab: LabMesh, _ host: String, _ arguments: String...) throws {
        let (reader, outlet) = try IO.pipe().split()
        let (inlet, writer) = try IO.pipe().split()
        output = Descriptor(owning: reader)
        input = Descriptor(owning: writer)
        defer {
            close(outlet)
            close(inlet)
        }
        child = try Child(
            [LabMesh.program, "lab", "exec", "-t", lab.hostsPath, host, "--"] + arguments,
            input: inlet, output: outlet, newSession: true)
    }

    deinit { stop(SIGKILL) }

    /// Ends it with all that it has started: nsenter itself passes no signal on.
    func end() { stop(SIGTERM) }

    private func stop(_ signal: Int32) {
        kill(-child.pid, signal)
        _ = try? child.wait(milliseconds: 10_000)
    }

    /// Waits until the command has printed `word`, or `seconds` have passed.
    func saw(_ word: String, within seconds: Double) throws -> Bool {
        let deadline = Clocks.monotonic() + seconds
        while !text.contains(word) {
            let left = deadline - Clocks.monotonic()
            if left <= 0 { return false }
            guard try IO.wait(output.number, milliseconds: Int32(left * 1000)) else { return false }
            let bytes = try IO.read(output.number)
            if bytes.isEmpty { return text.contains(word) }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return true
    }

    /// Sends a line to the command.
    func say(_ line: String) throws { try IO.writeAll(input.number, Array("\(line)\n".utf8)) }

    /// What it prints at its end.
    func result(within seconds: Double) throws -> Traffic.Result {
        #expect(try saw("outcomes", within: seconds), "no end: \(text)")
        let line = text.split(separator: "\n").last { $0.hasPrefix("{") } ?? ""
        return try Wire.decode(Traffic.Result.self, from: Array(line.utf8))
    }
}
