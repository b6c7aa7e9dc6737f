import Testing
import TopologyFile

/// Topologies for tests: a small correct one, any section of which can be replaced.
enum Samples {
    static func file(
        mesh: String = "mesh: { name: lab, network: 10.77.0.0/24 }",
        nodes: String = """
        nodes:
          edge: { connect: ssh://root@192.0.2.1, endpoint: 192.0.2.1 }
          gpu: { connect: ssh://root@192.0.2.2, endpoint: 192.0.2.2 }
          db: { connect: ssh://root@192.0.2.3, endpoint: 192.0.2.3 }
          phone: { managed: false }
        """,
        services: String = """
        services:
          webui: { on: edge, kind: open-webui }
          ollama: { on: gpu, kind: ollama }
          postgres: { on: db, kind: postgres, bind: loopback }
        """,
        paths: String = "", forbid: String = "", lab: String = ""
    ) -> String {
        [mesh, nodes, services, paths, forbid, lab].filter { !$0.isEmpty }
            .joined(separator: "\n") + "\n"
    }

    /// A file with one path of these edges.
    static func edges(_ lines: String..., services: String? = nil, nodes: String? = nil) -> String {
        let paths =
            "paths:\n  chat:\n    edges:\n" + lines.map { "      - \($0)" }.joined(separator: "\n")
        switch (services, nodes) {
        case (let services?, let nodes?):
            return file(nodes: nodes, services: services, paths: paths)
        case (let services?, nil): return file(services: services, paths: paths)
        case (nil, let nodes?): return file(nodes: nodes, paths: paths)
        case (nil, nil): return file(paths: paths)
        }
    }

    static func parse(_ text: String) -> ParseOutcome {
        TopologyFile.parse(Array(text.utf8), name: "t.yaml")
    }
}

/// One mistake: a file in which § stands right before the place that must be reported.
struct Mistake: Sendable, CustomTestStringConvertible {
    let what: String
    let marked: String
    let message: String
    let fix: String
    var severity = Diagnostic.Severity.error
    /// Whether other mistakes follow from this one; else it must be reported alone.
    var bringsOthers = false

    init(
        _ what: String, _ marked: String, _ message: String, fix: String,
        severity: Diagnostic.Severity = .error
    ) {
        self.what = what
        self.marked = marked
        self.message = message
        self.fix = fix
        self.severity = severity
    }

    var testDescription: String { what }

    /// The file without its mark.
    var text: String { marked.filter { $0 != "§" } }

    /// Where the mark stood.
    var place: (line: Int, column: Int) {
        let before = marked.prefix { $0 != "§" }
        let lines = before.split(separator: "\n", omittingEmptySubsequences: false)
        return (lines.count, (lines.last?.unicodeScalars.count ?? 0) + 1)
    }
}
