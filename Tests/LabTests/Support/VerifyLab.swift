import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

/// A mesh of three for `verify`: ant uses what is on bee, owl is nobody's peer, and the LAN itself is an outsider too.
///
/// ant is host A of the cases, bee host B; ant's client of `web` is curl.
struct VerifyLab {
    let lab: LabMesh
    /// ant's and bee's underlay addresses.
    static let ant = "198.51.100.11"
    static let bee = "198.51.100.12"
    static let ant6 = "2001:db8:6d70::11"
    static let bee6 = "2001:db8:6d70::12"
    /// bee's overlay addresses.
    static let beeOverlay = "10.88.0.2"
    static let beeOverlay6 = "fd88::2"

    static let tail = """
        services:
          web:  { on: bee, kind: http, port: 8080 }
          db:   { on: bee, kind: postgres, bind: loopback }
          note: { on: ant, kind: http, port: 8090, bind: loopback }
        paths:
          data:
            carries: [documents]
            edges:
              - ant -> web: wireguard
              - ant -> db: ssh
              - ant -> note: local
        forbid:
          - owl -> web
        lab:
          services:
            web:
              prepare: mkdir -p /tmp/web && echo hello >/tmp/web/index.html
              run: exec busybox httpd -f -p [::]:8080 -h /tmp/web
            note:
              prepare: mkdir -p /tmp/note && echo note >/tmp/note/index.html
              run: exec busybox httpd -f -p 127.0.0.1:8090 -h /tmp/note
            db:
              prepare: |
                set -e
                install -d -m 0700 -o postgres -g postgres /var/lib/lab-pg
                runuser -u postgres -- /usr/lib/postgresql/15/bin/initdb \\
                  --pgdata=/var/lib/lab-pg --auth=trust --encoding=UTF8 --no-locale --no-sync >/dev/null
              run: [/usr/lib/postgresql/15/bin/postgres, -D, /var/lib/lab-pg, -c, listen_addresses=127.0.0.1, -c, unix_socket_directories=/var/lib/lab-pg]
              user: postgres
        """

    /// Builds the hosts and brings the mesh up, IPv6 beneath it included.
    init(_ mesh: String, guarded: Bool, tail: String = VerifyLab.tail) throws {
        lab = try LabMesh(
            mesh, hosts: ["ant", "bee", "owl"], tail: tail, guarded: guarded, peering: "paths")
        let bridge = "ip -o -4 addr show | awk '$4 ~ /^198.51.100./ {print $2; exit}'"
        try shell("lan", "ip -6 addr add 2001:db8:6d70::1/64 dev $(\(bridge)) nodad")
        for (number, host) in lab.hosts.enumerated() {
            try shell(
                host.name, "ip -6 addr add 2001:db8:6d70::\(11 + number)/64 dev eth0 nodad")
        }
        try lab.up()
    }

    /// Turns the guard on or off on every node.
    func guarded(_ isOn: Bool, tail: String = VerifyLab.tail) throws {
        try lab.write(tail: tail, guarded: isOn, peering: "paths")
        try lab.up()
    }

    /// The mesh's interface.
    var interface: String { "mp0-\(lab.mesh)" }

    @discardableResult
    func shell(_ host: String, _ script: String) throws -> String {
        // Traced, so that one which hangs says where.
        let result = try lab.on(host, "timeout", "170", "sh", "-xec", script, timeout: 180)
        try #require(
            result.status.isSuccess,
            "\(host): \(result.status), the end of its trace: \(result.errorText.suffix(2_000))")
        return result.text
    }

    /// One run of `verify`, as an operator makes it.
    func verify(_ options: String...) throws -> VerifyReport {
        let result = try Child.run(
            lab.command(["--lab", "verify", "--json", "--no-receipt"] + options), timeout: 240)
        let report = try lab.decode(VerifyReport.self, result)
        #expect(result.status == .code(report.isProven ? 0 : 3), "\(result.errorText)")
        return report
    }

    /// One edge, and the report of a run of its own.
    func judged(
        _ edge: String, _ options: [String] = []
    ) throws -> (edge: EdgeVerdict, report: VerifyReport) {
        let result = try Child.run(
            lab.command(
                ["--lab", "verify", "--json", "--no-receipt", "--edge", edge] + options),
            timeout: 240)
        let report = try lab.decode(VerifyReport.self, result)
        return (try #require(report.edges.first { $0.id == edge }), report)
    }

    /// The verdict of one edge, from a run of its own.
    func verdict(_ edge: String, _ options: String...) throws -> EdgeVerdict {
        try judged(edge, options).edge
    }
}

extension EdgeVerdict {
    /// Every finding's code, consequences included.
    var codes: Set<FindingCode> { Set(findings.flatMap(\.all).map(\.code)) }

    /// For a test's message.
    var story: String {
        "\(id): \(verdict) \(level)\n"
            + findings.flatMap(\.all).map { "  \($0.severity) \($0.code.rawValue): \($0.message)" }
            .joined(separator: "\n")
    }
}

extension Finding {
    /// It and what follows from it.
    var all: [Finding] { [self] + consequences.flatMap(\.all) }
}
