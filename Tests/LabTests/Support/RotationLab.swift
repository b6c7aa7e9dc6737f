import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

/// A mesh of three whose keys are rotated: `echo` on bee is reached through the mesh, `sink` by a tunnel.
struct RotationLab {
    let lab: LabMesh

    static let tail = """
        services:
          echo: { on: bee, kind: tcp, port: 7001 }
          sink: { on: bee, kind: tcp, port: 7000, bind: loopback }
        paths:
          data:
            carries: [documents]
            edges:
              - ant -> echo: wireguard
              - ant -> sink: ssh
        lab:
          services:
            echo:
              run: [/usr/bin/python3, \(Traffic.program), serve, 7001, 0.0.0.0]
            sink:
              run: [/usr/bin/python3, \(Traffic.program), serve, 7000]
        """

    init(
        _ mesh: String, hosts: [String] = ["ant", "bee", "owl"], tail: String = Self.tail
    ) throws {
        lab = try LabMesh(mesh, hosts: hosts, tail: tail)
        try lab.up()
    }

    /// Where every instruction is emulated, all takes about ten times as long.
    static let patience =
        LabConditions.isUnderEmulation
        ? ["--timeout", "120", "--window", "120"] : ["--window", "10"]

    var hosts: [String] { lab.hosts.map(\.name) }

    @discardableResult
    func shell(_ host: String, _ script: String) throws -> String {
        let result = try lab.on(host, "sh", "-ec", script)
        try #require(result.status.isSuccess, "\(host): \(script): \(result.errorText)")
        return result.text
    }

    /// `rotate`, to its end.
    func rotate(_ options: String...) throws -> RotateReport {
        let result = try Child.run(
            lab.command(["--lab", "rotate", "--json"] + Self.patience + options), timeout: 600)
        let report = try lab.decode(RotateReport.self, result)
        #expect(result.status == .code(report.isGood ? 0 : 1))
        return report
    }

    /// Every secret and public key of a host, as its files and devices have them.
    func keys(_ host: String) throws -> Set<String> {
        let text = try shell(
            host,
            """
            cat /var/lib/meshproof/\(lab.mesh)/keys/wg-*.key | wg pubkey
            for f in /var/lib/meshproof/\(lab.mesh)/keys/ssh-*.key; do ssh-keygen -y -f $f; done
            cat /var/lib/meshproof/\(lab.mesh)/psk/*.key
            """)
        return Set(text.split(separator: "\n").map(String.init))
    }

    /// What of a set of keys a host still has, as a person would look for it.
    func traces(_ host: String, wireguard: Int, ssh: Int, port: Int) throws -> String {
        try shell(
            host,
            """
            ip -o link | grep -F mp\(wireguard)-\(lab.mesh) || true
            ip route show table all | grep -F mp\(wireguard)-\(lab.mesh) || true
            ss -Hlun 'sport = :\(port)'
            pgrep -af '[w]ireguard-go mp\(wireguard)-' || true
            ls /run/wireguard 2>/dev/null | grep -F mp\(wireguard)- || true
            ls /var/lib/meshproof/\(lab.mesh)/keys | grep -E '^(wg-\(wireguard)|ssh-(client|host)-\(ssh)).key' || true
            grep -l 'ssh-host-\(ssh).key' /run/meshproof-tunnels/\(lab.mesh)/* 2>/dev/null || true
            """)
    }

    /// When a host last shook hands with each of its peers, by the peer's key.
    func handshakes(_ host: String, generation: Int = 0) throws -> [String: Int] {
        let text = try shell(host, "wg show mp\(generation)-\(lab.mesh) latest-handshakes")
        return Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").map { line in
                let words = line.split(separator: "\t")
                return (String(words[0]), Int(words[1]) ?? -1)
            })
    }

    func pings() throws -> Bool {
        try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2").status.isSuccess
    }
}

/// A ping every 5 ms from one host of a lab, of which every single answer is looked for.
final class PingWatch {
    private let lab: LabMesh
    private let host: String
    private let log: String
    private let ping: Background

    init(_ lab: LabMesh, _ host: String, _ address: String) throws {
        self.lab = lab
        self.host = host
        log = "/run/ping-\(address).log"
        let interval = LabConditions.isUnderEmulation ? "0.2" : "0.005"
        ping = try Background(
            lab, host, "sh", "-c", "exec ping -i \(interval) \(address) > \(log)")
    }

    /// Ends it; how many answers came, and how many were missing before the last of them.
    func end() throws -> (answers: Int, missing: Int) {
        Clocks.sleep(0.5)
        _ = try lab.on(host, "pkill", "-INT", "-f", "ping -i.*\(log.dropFirst(10).dropLast(4))")
        // A request that was under way when ping was ended is no loss: what counts is that no number is missing.
        let text = try lab.on(
            host, "sh", "-c",
            "sed -n 's/.*icmp_seq=\\([0-9]*\\).*/\\1/p' \(log) | sort -nu | awk 'END {print NR, $1}'"
        ).text
        ping.end()
        let numbers = text.split(separator: " ").compactMap {
            Int($0.split(separator: "\n").first ?? "")
        }
        try #require(numbers.count == 2, "\(text)")
        return (numbers[0], numbers[1] - numbers[0])
    }
}

/// `rotate` while a test looks on: it says each step that is taken.
final class RotateProcess {
    private let child: Child
    private let output: Descriptor
    private(set) var text = ""

    init(_ lab: LabMesh, _ options: String...) throws {
        let (reader, outlet) = try IO.pipe().split()
        output = Descriptor(owning: reader)
        defer { close(outlet) }
        child = try Child(
            lab.command(["--lab", "rotate"] + RotationLab.patience + options), output: outlet,
            errors: outlet)
    }

    /// Waits until `step` has been taken; false where it ended before.
    func saw(_ step: RotationStep, within seconds: Double = 400) throws -> Bool {
        let deadline = Clocks.monotonic() + seconds
        while !text.contains("\(step.rawValue)  \(step.summary)") {
            let left = deadline - Clocks.monotonic()
            guard left > 0, try IO.wait(output.number, milliseconds: Int32(left * 1000)) else {
                return false
            }
            let bytes = try IO.read(output.number)
            if bytes.isEmpty { return false }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return true
    }

    /// Ends it as a power cut would.
    func kill() throws {
        child.signal(SIGKILL)
        _ = try child.wait()
    }

    /// Waits for its end; what it said comes with it.
    func end() throws -> (isGood: Bool, text: String) {
        while true {
            let bytes = try IO.read(output.number)
            if bytes.isEmpty { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return (try child.wait() == .code(0), text)
    }
}
