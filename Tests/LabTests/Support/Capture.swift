import Glibc
import LinuxSystem
import MeshModel
import Testing

/// What crosses the LAN's bridge, as tcpdump sees it: the oracle for what is in clear. It knows nothing of our witness.
final class Capture {
    private let lab: LabMesh
    private let tcpdump: Child
    private let path: String
    private let mark = "mpmark\(UInt32.random(in: 0 ... .max))n"
    private var marks = 0

    /// All but how the lab itself is reached.
    static let everything = "not tcp port 22"

    /// Begins to capture, headers and text.
    init(_ lab: LabMesh, _ filter: String = Capture.everything) throws {
        self.lab = lab
        path = "\(lab.folder)/capture-\(UInt64.random(in: 0 ... .max))"
        // A file, since tcpdump would wait for whoever reads a pipe, and lose frames meanwhile. What is kept of a frame
        // decides how many there is room for; texts that are looked for stand at the beginning of what is sent.
        let file = Descriptor(
            owning: open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600))
        try #require(file.number >= 0)
        tcpdump = try Child(
            [LabMesh.program, "lab", "exec", "-t", lab.hostsPath, "lan", "--"]
                + ["tcpdump", "-i", "any", "-s", "2048", "-B", "16384", "-n", "-A", "-l"]
                + ["--immediate-mode", filter],
            output: file.number, errors: file.number, newSession: true)
        try #require(try saw("listening on", within: 20))
    }

    deinit {
        kill(-tcpdump.pid, SIGKILL)
        _ = try? tcpdump.wait(milliseconds: 10_000)
    }

    /// Whether `text` crossed the bridge, or does so within `seconds`.
    func saw(_ text: String, within seconds: Double = 0) throws -> Bool {
        let deadline = Clocks.monotonic() + seconds
        while true {
            if contains(try Files.read(path), text) { return true }
            if Clocks.monotonic() >= deadline { return false }
            Clocks.sleep(0.1)
        }
    }

    /// Waits until all that crossed so far is written down, which shows that the capture sees at all: a text of its own goes
    /// from the first host to the second in clear, as what is looked for would. What is not there afterwards did not cross.
    ///
    /// Not while `verify` runs, to which it would be undeclared traffic.
    func catchUp() throws {
        marks += 1
        let text = "\(mark)\(marks)z"
        let isSeen = try LabMesh.wait(20) {
            let place = "/dev/udp/\(lab.hosts[1].address)/7"
            _ = try lab.on(lab.hosts[0].name, "bash", "-c", "printf \(text) >\(place)")
            return try saw(text, within: 1)
        }
        try #require(isSeen, "tcpdump does not see what crosses the bridge in clear")
    }

    /// The edges whose probes' own texts crossed the bridge in clear during a run, by their place in the topology.
    func canaries(of report: VerifyReport) throws -> Set<Int> {
        let text = try Files.read(path)
        return Set((0..<32).filter { contains(text, "mpc\(report.run.prefix(16))-e\($0)z") })
    }

    /// Ends it. It must have lost nothing: what it had no room for it did not see either.
    func end() throws {
        kill(-tcpdump.pid, SIGTERM)
        let hasEnded = try saw("packets dropped by kernel", within: 10)
        #expect(hasEnded, "tcpdump was no longer there at the end")
        if hasEnded { #expect(try saw("\n0 packets dropped by kernel"), "tcpdump lost frames") }
    }

    /// A library's own search takes seconds for megabytes where nothing is optimized.
    private func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let word = Array(text.utf8)
        return bytes.withUnsafeBytes { bytes in
            guard var place = bytes.baseAddress else { return false }
            let end = place + bytes.count
            while end - place >= word.count,
                let found = memchr(place, Int32(word[0]), end - place - word.count + 1)
            {
                if memcmp(found, word, word.count) == 0 { return true }
                place = UnsafeRawPointer(found) + 1
            }
            return false
        }
    }
}
