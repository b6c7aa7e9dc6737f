import MeshCLI
import MeshModel
import TestSupport
import Testing

@Suite("A report is understood at a glance")
struct VerifyViewTests {
    private typealias Samples = VerifySamples

    private func lines(
        _ report: VerifyReport, color: Bool = false, width: Int = 80, validUntil: Double? = nil,
        isDetailed: Bool = false
    ) -> [String] {
        VerifyView.lines(
            report, style: Style(color: color), width: width, validUntil: validUntil,
            isDetailed: isDetailed)
    }

    @Test("all is well: a line an edge, and one that says so")
    func allWell() {
        var report = Samples.report()
        report.receipt = 12
        report.nodes.removeLast()
        #expect(
            lines(report, validUntil: Samples.now + 86_400) == [
                "Mesh homelab  3 edges, every edge probed, level observed asked for",
                "topology.yaml sha256:5e5e5e5e5e5e, 2026-03-04 11:59 UTC, took 3.9 s", "",
                "  chat  carries prompts, Grüße\u{fffd}\u{fffd}",
                "  ✓ phone → webui     wireguard  encrypted  enforced",
                "  ✓ webui → ollama    wireguard  encrypted  enforced",
                "  ✓ webui → postgres  ssh        encrypted  enforced", "",
                "  rag  carries prompts, Grüße\u{fffd}\u{fffd}",
                "  ✓ webui → postgres  ssh        encrypted  enforced", "", "  forbidden",
                "  ✓ phone → postgres  holds", "",
                "All 3 edges are encrypted (level enforced).",
                "Receipt 12, valid until 2026-03-05 12:00 UTC.",
            ])
    }

    @Test("what belongs to no edge stands beneath them, dim, and above the last line")
    func notesOfTheRun() {
        var report = Samples.report(edges: [Samples.edge("a->b")], forbidden: [])
        let without = lines(report)
        report.notes = [
            "the clock of gpu is off by about 199 s", "the clock of edge is off by about 2 s",
        ]
        let with = lines(report)
        #expect(
            with.suffix(5) == [
                "", "  the clock of gpu is off by about 199 s",
                "  the clock of edge is off by about 2 s", "",
                "The edge is encrypted (level enforced).",
            ])
        #expect(with.dropLast(5) + with.suffix(2) == without)
        #expect(
            lines(report, color: true).contains(
                "  \u{1b}[2mthe clock of gpu is off by about 199 s\u{1b}[0m"))
        report.notes = []
        #expect(lines(report) == without)
    }

    /// Everything that can be wrong, at once.
    static var troubled: VerifyReport {
        let silent = Samples.finding(
            .nodeSilent, .minor, node: "db", "db could not be asked: no route to host")
        let seen = Samples.finding(
            .canaryOnWire, .critical,
            "the canary of webui->ollama was seen in clear on eth0, from 198.51.100.11 to 198.51.100.12",
            consequences: [
                Samples.finding(
                    .clearTraffic, .critical,
                    "14 packets of port 11434 were seen in clear on eth0 of gpu")
            ])
        return Samples.report(
            edges: [
                Samples.edge("phone->webui", .encrypted, .live),
                Samples.edge("webui->ollama", .exposed, .configured, findings: [seen]),
                Samples.edge(
                    "webui->postgres", paths: ["chat", "rag"], via: .ssh, .unproven, .configured,
                    findings: [silent]),
                Samples.edge("webui->qdrant", paths: ["rag"], .down, .declared, findings: [silent]),
            ],
            forbidden: [
                ForbidVerdict(
                    id: "phone->postgres", state: .broken,
                    findings: [
                        Samples.finding(
                            .forbiddenReachable, .critical, node: "phone", "postgres answered phone"
                        )
                    ]), ForbidVerdict(id: "phone->qdrant", state: .untested, findings: []),
            ])
    }

    @Test("of many things that follow from a cause a few are shown, and the number of the rest")
    func consequences() {
        func text(_ count: Int) -> String {
            let cause = Samples.finding(
                .routeBypass, .serious, "a route leads past the mesh",
                consequences: (0..<count).map {
                    Samples.finding(.countersStill, .serious, "effect \($0)")
                })
            return lines(
                Samples.report(edges: [
                    Samples.edge("webui->ollama", .unproven, .configured, findings: [cause])
                ])
            ).joined(separator: "\n")
        }
        #expect(text(7).contains("effect 2") && !text(7).contains("effect 3"))
        #expect(text(7).contains("↳ and 4 more that follow from it"))
        #expect(text(4).contains("effect 3") && !text(4).contains("more that follow"))
    }

    @Test("each trouble is told once, with its reason and its fix")
    func trouble() {
        let lines = self.lines(Self.troubled)
        let text = lines.joined(separator: "\n")
        #expect(lines.contains("  ! phone → webui     wireguard  encrypted  live only"))
        #expect(lines.contains("  ✗ webui → ollama    wireguard  exposed    configured"))
        #expect(lines.contains("  ! webui → postgres  ssh        unproven   configured"))
        #expect(lines.contains("  ↓ webui → qdrant    wireguard  down       declared"))
        #expect(
            text.contains(
                "\n      critical  on gpu: the canary of webui->ollama was seen in clear on eth0,"))
        #expect(
            text.contains(
                "\n                → bind ollama to its overlay address: OLLAMA_HOST=10.77.0.2\n"))
        #expect(
            text.contains(
                "\n                ↳ 14 packets of port 11434 were seen in clear on eth0 of gpu\n"))
        #expect(text.contains("[canary-on-wire]"))
        // The same finding at a second edge is named and not explained again; the same edge at a second path neither.
        #expect(lines.count { $0.contains("db could not be asked") } == 2)
        #expect(text.contains("db could not be asked: no route to host (as above)"))
        #expect(lines.count { $0 == "      as above" } == 1)
        #expect(lines.contains("  ✗ phone → postgres  broken"))
        #expect(lines.contains("  ! phone → qdrant    untested"))
        #expect(lines.contains("  ! db  did not answer: no route to host"))
        let end = lines.suffix(6).joined(separator: " ")
        #expect(
            end.hasSuffix(
                "4 of 4 edges are not encrypted as asked: phone->webui (live only), webui->ollama (exposed), webui->postgres (unproven), webui->qdrant (down). 1 forbid line is broken: phone->postgres. 1 forbid line could not be tried: phone->qdrant."
            ))
    }

    @Test("no line is wider than the terminal, in colour or not", arguments: [60, 80, 132])
    func fits(_ width: Int) {
        var report = Self.troubled
        report.edges[1].id =
            String(repeating: "long-name-", count: 6) + "->" + String(repeating: "other-", count: 4)
        report.notes = [
            "the clock of \(String(repeating: "long-name-", count: 5)) is off by about 199 s"
        ]
        for color in [false, true] {
            for line in lines(report, color: color, width: width, isDetailed: true) {
                let words = line.split(separator: " ").map { TextWrap.visible($0) }.max() ?? 0
                #expect(TextWrap.visible(line) <= max(width, words + 20), "\(line)")
            }
        }
    }

    @Test("colours add nothing but colour")
    func colours() {
        let plain = lines(Self.troubled)
        let coloured = lines(Self.troubled, color: true).map {
            $0.replacing(/\u{1b}\[[0-9]+m/, with: "")
        }
        #expect(coloured == plain)
        #expect(!plain.joined().contains("\u{1b}"))
    }

    @Test(
        "the last line is green where all is as asked, red where something is open, else yellow",
        arguments: [
            ([.encrypted], .holds, "32"), ([.encrypted], .untested, "32"),
            ([.encrypted, .unproven], .holds, "33"), ([.down], .holds, "33"),
            ([.unproven, .exposed], .holds, "31"), ([.encrypted], .broken, "31"),
        ] as [([Verdict], ForbidVerdict.State, String)])
    func lastLine(_ verdicts: [Verdict], _ state: ForbidVerdict.State, _ color: String) {
        let report = Samples.report(
            edges: verdicts.enumerated().map { Samples.edge("e\($0.offset)->x", $0.element) },
            forbidden: [ForbidVerdict(id: "a->b", state: state, findings: [])])
        #expect(lines(report, color: true).last?.hasPrefix("\u{1b}[\(color)m") == true)
    }

    /// Names and messages may come from a node, or from a stranger's receipt.
    @Test("nothing in a report is obeyed by the terminal")
    func escapes() {
        var report = Self.troubled
        let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}gnp"
        report.mesh = evil
        report.topology.file = evil
        report.edges[0].id = "a\(evil)->b"
        report.edges[0].paths = [evil]
        report.edges[0].carries = [evil]
        report.edges[0].carriers = [evil]
        report.edges[0].findings = [
            Finding(
                code: .drift, severity: .serious, node: evil, message: evil, why: evil, fix: evil,
                consequences: [Samples.finding(.drift, .note, node: evil, evil)])
        ]
        report.forbidden[0].id = evil
        report.nodes[2].node = evil
        report.nodes[2].problem = evil
        report.notes = [evil]
        for line in lines(report, isDetailed: true) {
            #expect(
                !line.unicodeScalars.contains {
                    $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || $0.value == 0x202e
                }, "\(line.debugDescription)")
        }
        #expect(!VerifyView.conclusion(report).contains("\u{1b}"))
    }

    @Test("nothing verified is nothing proven")
    func empty() {
        let report = Samples.report(edges: [], forbidden: [])
        #expect(VerifyView.conclusion(report) == "No edge was verified: nothing is proven.")
    }

    @Test("a note is a line, and all of it where details are asked for")
    func notes() {
        let note = Samples.finding(.clearWithinHost, .note, "what arrives on gpu goes on in clear")
        let report = Samples.report(edges: [Samples.edge("a->b", findings: [note])])
        let short = lines(report).joined(separator: "\n")
        #expect(
            short.contains("note      what arrives on gpu goes on in clear [clear-within-host]"))
        #expect(!short.contains("Whoever") && !short.contains("WireGuard, key"))
        let long = lines(report, isDetailed: true).joined(separator: "\n")
        #expect(long.contains("Whoever is on that network") && long.contains("WireGuard, key"))
    }
}
