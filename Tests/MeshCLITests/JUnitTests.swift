import LinuxSystem
import MeshCLI
import MeshModel
import TestSupport
import Testing

@Suite("A build server can read a report")
struct JUnitTests {
    /// What a parser of XML that is not ours makes of the document, a line an element.
    private func parsed(_ report: VerifyReport) throws -> [String] {
        let path = "/tmp/meshproof-junit-\(UInt64.random(in: 0 ... .max)).xml"
        defer { _ = try? Files.remove(path) }
        try Files.replace(path, with: Array(JUnitReport.render(report).utf8))
        let script = """
            import sys, xml.etree.ElementTree as t
            for e in t.parse(sys.argv[1]).getroot().iter():
                print(e.tag, sorted(e.attrib.items()), repr((e.text or "").strip()))
            """
        let result = try Child.run(["python3", "-c", script, path])
        #expect(result.status.isSuccess, "\(result.errorText)")
        return result.text.split(separator: "\n").map(String.init)
    }

    @Test("an edge is a case of its path, and what is not as asked is a failure")
    func cases() throws {
        let lines = try parsed(VerifyViewTests.troubled)
        #expect(lines.count { $0.hasPrefix("testcase ") } == 6)
        #expect(lines.count { $0.hasPrefix("failure ") } == 5)
        #expect(lines.count { $0.hasPrefix("skipped ") } == 1)
        #expect(
            lines[0]
                == "testsuites [('errors', '0'), ('failures', '5'), ('name', 'meshproof verify homelab'), ('skipped', '1'), ('tests', '6'), ('time', '3.875')] ''"
        )
        #expect(lines[1].contains("('timestamp', '2026-03-04T11:59:56')"))
        #expect(
            lines.contains(
                "testcase [('classname', 'chat,rag'), ('name', 'webui->postgres (ssh)'), ('time', '0')] ''"
            ))
        let failure = try #require(lines.first { $0.contains("('type', 'exposed')") })
        #expect(failure.contains("fix: bind ollama") && failure.contains("clear-traffic on gpu"))
        #expect(
            lines.contains {
                $0.contains("('type', 'level')") && $0.contains("observed was asked for")
            })
        #expect(lines.contains { $0.hasPrefix("system-err") && $0.contains("db did not answer") })
    }

    @Test("what belongs to no edge is the suite's output")
    func notes() throws {
        var report = VerifySamples.report()
        #expect(try !parsed(report).contains { $0.contains("clock") })
        report.notes = ["the clock of gpu is off by about 199 s", "<&\u{1b}"]
        #expect(
            try parsed(report).contains(
                "system-out [] 'the clock of gpu is off by about 199 s\\n<&\u{fffd}'"))
    }

    @Test("where all is as asked nothing failed")
    func fine() throws {
        let lines = try parsed(VerifySamples.report())
        #expect(!lines.contains { $0.hasPrefix("failure") || $0.hasPrefix("skipped") })
        #expect(lines[0].contains("('failures', '0')"))
    }

    @Test("what XML cannot hold is replaced, and the rest comes back as it was")
    func escaped() throws {
        let odd = "<a href=\"x\">&amp;'\t\n]]> é 🔒"
        let impossible = "\u{0}\u{1}\u{1b}[31m\u{b}\u{fffe}\u{ffff}\u{7f}\u{9b}"
        var report = VerifySamples.report()
        report.mesh = odd + impossible
        report.edges[0].id = odd + impossible
        report.edges[0].verdict = .exposed
        report.edges[0].findings = [
            VerifySamples.finding(.drift, .serious, node: odd, odd + impossible)
        ]
        report.topology.file = impossible
        let lines = try parsed(report).joined(separator: "\n")
        #expect(lines.contains(#"<a href="x">&amp;\'\t\n]]> é 🔒"#))
        #expect(lines.contains("\u{fffd}\u{fffd}\u{fffd}[31m"))
    }
}
