import LinuxSystem
import MeshModel
import Testing

@Suite(
    "Verify finds every way past the mesh, and the guard closes those that lead in", .serialized,
    .enabled(if: LabConditions.isRoot))
struct VerifyBypassTests {
    /// A way in that is open without the guard: who gets in where, and what verify calls it.
    private static let ways: [(edge: String, place: String, code: FindingCode)] = [
        ("web", "198.51.100.12:8080", .openUnderlay),
        ("web", "[2001:db8:6d70::12]:8080", .openUnderlay),
        ("inner", "10.88.0.2:8081", .weakHost),
        ("inner", "[fd88::2]:8081", .weakHost),
        ("boxed", "198.51.100.12:8082", .openUnderlay),
        ("relayed", "198.51.100.12:8083", .openUnderlay),
        ("wide", "198.51.100.12:8084", .openUnderlay),
        ("wide", "[2001:db8:6d70::12]:8084", .openUnderlay),
        ("gate", "198.51.100.11:8085", .openEntrance),
    ]

    /// What keeps others out: nothing, a filter of the operator's own, or the guard.
    private enum Shield: CaseIterable { case none, own, `guard` }

    private func edge(_ name: String, _ report: VerifyReport) throws -> EdgeVerdict {
        try #require(report.edges.first { $0.id == "ant->\(name)" })
    }

    /// Those places where the LAN itself, which is nobody's peer, gets a page. To each it says `text` with its number.
    private func open(
        _ places: [String], _ lab: BypassLab, saying text: String
    ) throws -> Set<String> {
        let words = places.enumerated().map { "\($0)=\($1)" }.joined(separator: " ")
        let pages = try lab.world.shell(
            "lan",
            """
            for word in \(words); do
                { place=${word#*=}
                curl -gsS -o /dev/null --max-time 4 -H "X-Text: \(text)${word%%=*}z" \
                    http://$place/ 2>/dev/null && echo $place; } &
            done; wait; true
            """)
        return Set(pages.split(separator: "\n").map(String.init))
    }

    @Test("without the guard each way in is found and named; with it, or a filter, all are closed")
    func ways() throws {
        let lab = try BypassLab("tvbypass")
        try lab.world.shell("lan", "ip route add 10.88.0.2/32 via \(VerifyLab.bee)")
        try lab.world.shell("lan", "ip -6 route add fd88::2/128 via \(VerifyLab.bee6)")
        for shield in Shield.allCases {
            switch shield {
            case .none: break
            case .own: try lab.filter(true)
            case .guard:
                try lab.filter(false)
                try lab.guarded(true)
            }
            let capture = try Capture(lab.world.lab)
            let report = try lab.world.verify()
            // Two oracles that know nothing of verify: a client who tries, and tcpdump, which sees what it said in clear.
            let places = Self.ways.map(\.place)
            let text = "mptext\(UInt32.random(in: 0 ... .max))n"
            let wanted = shield == .none ? Set(places) : []
            #expect(try open(places, lab, saying: text) == wanted)
            try capture.catchUp()
            let heard = try places.enumerated().filter { try capture.saw("\(text)\($0.offset)z") }
            #expect(Set(heard.map(\.element)) == wanted)
            // Of the edges' own texts one alone crossed in clear: what goes on behind the tunnel, which no guard of bee's
            // can close.
            let clear = try capture.canaries(of: report).map { report.edges[$0].id }
            #expect(clear == ["ant->far"])
            try capture.end()
            for way in Self.ways {
                let edge = try edge(way.edge, report)
                switch shield {
                case .none:
                    #expect(edge.verdict == .exposed, "\(edge.story)")
                    let findings = edge.findings.flatMap(\.all).filter { $0.code == way.code }
                    #expect(findings.contains { $0.message.contains(way.place) }, "\(edge.story)")
                case .own where way.edge == "wide":
                    // For who listens more widely than it is to, somebody's filter is no excuse.
                    #expect(edge.verdict == .unproven, "\(edge.story)")
                    #expect(edge.codes.contains(.listensTooWide), "\(edge.story)")
                case .own, .guard:
                    // A second listener at the entrance's port costs `gate` a level, and no more.
                    let isLess = shield == .own && way.edge == "gate"
                    let level: EvidenceLevel = isLess ? .observed : .enforced
                    #expect(edge.verdict == .encrypted && edge.level == level, "\(edge.story)")
                }
            }
            for name in ["db", "note"] {
                let clean = try edge(name, report)
                #expect(clean.verdict == .encrypted, "\(clean.story)")
                if shield != .none { #expect(clean.level == .enforced, "\(clean.story)") }
            }
            let far = try edge("far", report)
            #expect(far.verdict == .exposed && far.codes.contains(.canaryOnWire), "\(far.story)")
            for name in ["cell", "lent"] {
                let other = try edge(name, report)
                #expect(other.verdict < .encrypted, "\(other.story)")
                #expect(other.codes.contains(.otherNamespace), "\(other.story)")
            }
        }
        try addedKey(lab)
    }

    /// A key that somebody let in by hand: as long as it is there, nobody knows who else comes.
    private func addedKey(_ lab: BypassLab) throws {
        let file = "/run/meshproof-tunnels/\(lab.world.lab.mesh)/authorized_keys"
        let key = try lab.world.shell(
            "owl", "ssh-keygen -q -t ed25519 -N '' -f /tmp/added && cat /tmp/added.pub")
        try lab.world.shell("bee", "printf '%s\\n' '\(key)' >>\(file)")
        let capture = try Capture(lab.world.lab)
        let (edge, report) = try lab.world.judged("ant->db")
        try capture.catchUp()
        #expect(try capture.canaries(of: report).isEmpty)
        try capture.end()
        let isThere = try lab.world.shell("bee", "cat \(file)").contains(key)
        // The agent may have put the file right meanwhile.
        #expect(
            !isThere || edge.verdict == .unproven && edge.codes.contains(.drift), "\(edge.story)")
        if isThere {
            #expect(edge.findings.contains { $0.message.contains("somebody is let in") })
        }
        try lab.world.lab.up()
        #expect(try !lab.world.shell("bee", "cat \(file)").contains(key))
        let clean = try lab.world.verdict("ant->db")
        #expect(clean.verdict == .encrypted && clean.level == .enforced, "\(clean.story)")
    }
}
