import Glibc
import LinuxSystem
import MeshModel
import Testing

/// One way in which clear text could pass between ant and bee, and what `verify` must say of it.
struct ClearCase: Sendable {
    /// Its number in the list of cases, or `+` for one of the same classes.
    let name: String
    /// What the client does meanwhile, over and over, with its own text in place of `SECRET`; nil where the run's own
    /// probes are all that is needed.
    let traffic: String?
    /// Done before, host by host.
    let make: [Step]
    /// Takes it all back.
    let undo: [Step]
    /// What must come out where the guard is off.
    let open: Outcome
    /// What must come out where it is on.
    let guarded: Outcome
    /// Whether ant's agent is stopped meanwhile, since it would mend what was done; else it is no business of the agent's.
    let isAgentStopped: Bool

    /// A shell script on a host.
    struct Step: Sendable {
        let host: String
        let script: String

        init(_ host: String, _ script: String) {
            self.host = host
            self.script = script
        }
    }

    /// What must come out.
    struct Outcome: Sendable {
        let verdicts: Set<Verdict>
        let codes: Set<FindingCode>
        /// Whether the oracle sees the client's text; nil where that is a matter of chance.
        let isClear: Bool?

        static func exposed(_ codes: FindingCode...) -> Outcome {
            Outcome(verdicts: [.exposed], codes: Set(codes), isClear: true)
        }

        static func down(_ codes: FindingCode...) -> Outcome {
            Outcome(verdicts: [.down], codes: Set(codes), isClear: false)
        }

        /// The way is closed, and the edge does not suffer.
        static func closed(_ codes: FindingCode...) -> Outcome {
            Outcome(verdicts: [.encrypted], codes: Set(codes), isClear: false)
        }

        static func some(
            _ verdicts: Set<Verdict>, _ codes: Set<FindingCode>, isClear: Bool?
        ) -> Outcome {
            Outcome(verdicts: verdicts, codes: codes, isClear: isClear)
        }
    }

    init(
        _ name: String, traffic: String? = nil, make: [Step] = [], undo: [Step] = [],
        open: Outcome, guarded: Outcome, isAgentStopped: Bool = false
    ) {
        self.name = name
        self.traffic = traffic
        self.make = make
        self.undo = undo
        self.open = open
        self.guarded = guarded
        self.isAgentStopped = isAgentStopped
    }

    /// A request with the client's text in a header.
    static func get(_ place: String, _ options: String = "") -> String {
        "curl -gs -m 1 -o /dev/null -H 'X-Text: SECRET' \(options) 'http://\(place)/'"
    }

    /// Python, as one word of a shell script.
    static func python(_ text: String) -> String {
        "/usr/bin/python3 -c '\(text)'"
    }
}

/// A lab in which cases are tried one after the other, each with its clean twin behind it.
struct ClearLab {
    let world: VerifyLab
    let isGuarded: Bool

    static let tail = """
        services:
          web:  { on: bee, kind: http, port: 8080 }
        paths:
          data:
            carries: [documents]
            edges:
              - ant -> web: wireguard
        lab:
          services:
            web:
              prepare: mkdir -p /tmp/web && echo hello >/tmp/web/index.html
              run: exec busybox httpd -f -p [::]:8080 -h /tmp/web
        """

    /// Without our guard, bee has a filter of its own that lets nobody but ant in at its real addresses, as an operator
    /// may have: so the edge is sound, and the way that ant could take past it is still open.
    init(_ mesh: String, guarded: Bool) throws {
        world = try VerifyLab(mesh, guarded: guarded, tail: Self.tail)
        isGuarded = guarded
        try world.shell(
            "ant",
            "echo \(mesh) >/run/case-mesh; echo \(Ownership.linkGroup) >/run/case-group")
        if !guarded { try filter() }
    }

    /// Has bee keep others out by a filter of its own.
    func filter() throws {
        let own = try world.shell(
            "ant", "ip -6 -o addr show dev eth0 scope link | awk '{print $4}' | cut -d/ -f1")
        try world.shell(
            "bee",
            """
            nft -f - <<'END'
            table inet own {
              chain in {
                type filter hook input priority filter; policy accept;
                iifname "eth0" tcp dport 8080 ip saddr != { \(VerifyLab.ant), 10.88.0.1 } drop
                iifname "eth0" tcp dport 8080 ip6 saddr != { \(VerifyLab.ant6), \(own.trimmed) } drop
              }
            }
            END
            """)
    }

    /// Tries one case: sets it up, has the client do its work while `verify` runs, and holds the verdict against what
    /// crossed the bridge; then takes it back, and the edge is encrypted again.
    func check(_ one: ClearCase) throws {
        let secret = "mptext\(UInt64.random(in: 0 ... .max))"
        let wanted = isGuarded ? one.guarded : one.open
        let label = "\(one.name), guard \(isGuarded ? "on" : "off")"
        do {
            defer { if one.isAgentStopped { try? signalAgent("CONT") } }
            if one.isAgentStopped { try signalAgent("STOP") }
            for step in one.make { try world.shell(step.host, step.script) }
            let capture = try Capture(world.lab)
            let client = try one.traffic.map { traffic in
                let script = traffic.replacing("SECRET", with: secret)
                return try Background(
                    world.lab, "ant", "sh", "-c",
                    "while :; do \(script); sleep 0.1; done >/dev/null 2>&1")
            }
            defer { client?.end() }
            let (edge, report) = try world.judged("ant->web")
            try capture.catchUp()
            let isClear = try capture.saw(secret)
            let isCanaryClear = try !capture.canaries(of: report).isEmpty
            #expect(wanted.verdicts.contains(edge.verdict), "\(label): \(edge.story)")
            #expect(wanted.codes.subtracting(edge.codes).isEmpty, "\(label): \(edge.story)")
            if let expected = wanted.isClear, one.traffic != nil {
                #expect(isClear == expected, "\(label): the bridge")
            }
            if isClear { #expect(edge.verdict < .encrypted, "\(label): \(edge.story)") }
            // What is said of the run's own text has to be what crossed, neither less nor more.
            #expect(
                isCanaryClear == edge.codes.contains(.canaryOnWire), "\(label): \(edge.story)")
            if isCanaryClear { #expect(edge.verdict == .exposed, "\(label): \(edge.story)") }
            try capture.end()
            let grave = edge.findings.filter { $0.severity != .note }
            // A critical one never goes with another: text, addresses and a connection, found standing or not, make three.
            #expect(grave.count <= 6, "too much to read: \(label): \(edge.story)")
            if wanted.verdicts == [.encrypted] {
                #expect(edge.level == .enforced, "\(label): \(edge.story)")
            }
        }
        for step in one.undo { try world.shell(step.host, step.script) }
        // Where nothing was done to a host, the next case begins with what this one left.
        if !one.undo.isEmpty || one.isAgentStopped { try twin(label) }
    }

    /// Nothing is left of it. A lost session may need a moment.
    func twin(_ label: String) throws {
        var last: EdgeVerdict?
        let isClean = try LabMesh.wait(30) {
            let edge = try world.verdict("ant->web")
            last = edge
            return edge.verdict == .encrypted && edge.level == .enforced
        }
        #expect(isClean, "the clean twin of \(label): \(last?.story ?? "")")
        #expect(last?.findings.allSatisfy { $0.severity == .note } ?? false, "\(last?.story ?? "")")
    }

    private func signalAgent(_ signal: String) throws {
        try world.shell("ant", "pkill -\(signal) -f '[n]ode agent'")
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
