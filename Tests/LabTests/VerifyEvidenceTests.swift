import LinuxSystem
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "Evidence that is old, another's, or full of holes proves nothing",
    .enabled(if: LabConditions.isRoot))
struct VerifyEvidenceTests {
    /// A mesh on whose nodes somebody stands between the controller and the witness.
    private final class Rig {
        let world: VerifyLab
        private let capture: Capture
        /// What is found on an edge of which nothing is wrong.
        private let clean: Set<FindingCode>
        private static let script: String = {
            let folder = Traffic.program.split(separator: "/").dropLast().joined(separator: "/")
            return "/\(folder)/impostor.py"
        }()

        /// Without our guard bee has a filter of its own, so that the edge is sound in either.
        init(_ mesh: String, isGuarded: Bool) throws {
            let lab = try ClearLab(mesh, guarded: isGuarded)
            world = lab.world
            clean = isGuarded ? [] : [.guardOff]
            for host in ["ant", "owl"] {
                try world.shell(
                    host,
                    """
                    cd /usr/local/lib/meshproof; mv meshproof meshproof.real
                    cat >meshproof <<'END'
                    #!/bin/sh
                    [ "$1 $2" = "node witness" ] && [ -e /tmp/impostor.json ] &&
                        exec /usr/bin/python3 \(Self.script) "$@"
                    exec /usr/local/lib/meshproof/meshproof.real "$@"
                    END
                    chmod 755 meshproof
                    """)
            }
            // What fills the ring of the witness is not to fill tcpdump's.
            capture = try Capture(world.lab, "\(Capture.everything) and not udp port 9")
        }

        func order(_ words: String..., on host: String = "ant") throws {
            try leave(host)
            let text = String(decoding: try Wire.encode(words), as: UTF8.self)
            try #require(
                try world.lab.on(host, input: text, "cat >/tmp/impostor.json").status.isSuccess)
        }

        /// Ends an impostor that still waits, and with it the witness behind it, which has its turn for so long. The host
        /// has a process namespace of its own, so no other host's is seen.
        private func leave(_ host: String) throws {
            try world.shell(
                host,
                """
                # The brackets keep the patterns from finding the shell that holds them.
                kill -KILL $(pgrep -f '[i]mpostor.py') 2>/dev/null || true
                for turn in $(seq 50); do
                    pgrep -f 'meshproof.real [n]ode witness' >/dev/null || exit 0
                    sleep 0.1
                done
                exit 1
                """)
        }

        /// What becomes of the edge. What crossed of its own text in clear is as expected, whatever was done to the evidence.
        func judged(isClear: Bool = false) throws -> (edge: EdgeVerdict, report: VerifyReport) {
            let patience = LabConditions.isUnderEmulation ? "60" : "6"
            let judged = try world.judged("ant->web", ["--timeout", patience])
            try capture.catchUp()
            #expect(
                try capture.canaries(of: judged.report).isEmpty != isClear, "\(judged.edge.story)")
            return judged
        }

        func verdict() throws -> EdgeVerdict { try judged().edge }

        /// Ends the oracle, which must have seen all.
        func end() throws { try capture.end() }

        func expectClean(_ edge: EdgeVerdict) {
            #expect(edge.verdict == .encrypted && edge.level == .enforced, "\(edge.story)")
            #expect(edge.codes == clean, "\(edge.story)")
        }

        /// Takes the impostor away, and all is well.
        func restore() throws {
            try leave("ant")
            try world.shell("ant", "rm -f /tmp/impostor.json")
            expectClean(try verdict())
        }
    }

    @Test(
        "facts are refused that are of another run, node or boot, or were changed",
        arguments: [true, false])
    func refused(isGuarded: Bool) throws {
        let rig = try Rig(isGuarded ? "tvevidence" : "tvevidoff", isGuarded: isGuarded)
        try rig.restore()
        // Both nodes' genuine answers of an earlier run.
        try rig.order("record", "/tmp/facts.json")
        try rig.order("record", "/tmp/facts.json", on: "owl")
        rig.expectClean(try rig.verdict())
        let others = try rig.world.shell("owl", "cat /tmp/facts.json; rm /tmp/impostor.json")
        try #require(
            try rig.world.lab.on("ant", input: others, "cat >/tmp/other.json").status.isSuccess)

        let lies: [(order: [String], words: String)] = [
            (["replay", "/tmp/facts.json"], "another run"),
            (["replay", "/tmp/other.json"], "not signed by the key of ant"),
            (["tamper"], "not signed by the key of ant"),
            (["nonce"], "another run"),
            (["boot"], "restarted"),
        ]
        for lie in lies {
            try rig.order(lie.order[0], lie.order.count > 1 ? lie.order[1] : "")
            let edge = try rig.verdict()
            #expect(edge.verdict == .unproven && edge.level == .declared, "\(edge.story)")
            let finding = edge.findings.first { $0.code == .factsRefused && $0.node == "ant" }
            #expect(finding?.message.contains(lie.words) ?? false, "\(lie): \(edge.story)")
        }
        try clocks(rig)
        // How a conversation breaks off is the same with the guard and without.
        if isGuarded { try silences(rig) } else { try hidden(rig) }
        try holes(rig)
        try rig.end()
    }

    /// A node's clock that is off: so far it is told, and farther its facts are of another time.
    private func clocks(_ rig: Rig) throws {
        try rig.order("clock", "30")
        let (edge, report) = try rig.judged()
        rig.expectClean(edge)
        let note = try #require(report.notes?.first)
        #expect(report.notes?.count == 1 && note.hasPrefix("the clock of ant is off by about "))
        try rig.order("clock", "400")
        let late = try rig.verdict()
        #expect(late.verdict == .unproven, "\(late.story)")
        let finding = late.findings.first { $0.code == .factsRefused && $0.node == "ant" }
        #expect(finding?.message.contains("not from the time") ?? false, "\(late.story)")
        try rig.restore()
    }

    /// Somebody on ant sends the edge's packets past the mesh and hands over evidence in which that does not show: the other
    /// end still saw it.
    private func hidden(_ rig: Rig) throws {
        let past = "\(VerifyLab.beeOverlay)/32 via \(VerifyLab.bee)"
        try rig.world.shell("ant", "ip route prepend \(past)")
        for (order, word, code) in [
            ("replay", "/tmp/facts.json", FindingCode.factsRefused), ("tamper", "", .factsRefused),
            ("kill", "finish", .nodeSilent),
        ] {
            try rig.order(order, word)
            let edge = try rig.judged(isClear: true).edge
            #expect(edge.verdict == .exposed && edge.level == .declared, "\(edge.story)")
            #expect(edge.codes.isSuperset(of: [code, .canaryOnWire]), "\(order): \(edge.story)")
        }
        try rig.order("run", "probe", "ip tuntap add mode tap name tap7; ip link set tap7 up")
        let edge = try rig.judged(isClear: true).edge
        #expect(edge.verdict == .exposed, "\(edge.story)")
        #expect(edge.codes.isSuperset(of: [.captureIncomplete, .canaryOnWire]), "\(edge.story)")
        try rig.world.shell("ant", "ip link delete tap7; ip route del \(past)")
        try rig.restore()
    }

    /// A witness that is silent, dies or raves: the run ends, and says so.
    private func silences(_ rig: Rig) throws {
        let late = "did not answer in time"
        let gone = "ended before it answered"
        for (order, request, words) in [
            ("silent", "look", late), ("silent", "finish", late), ("die", "probe", gone),
            ("kill", "finish", gone), ("garbage", "begin", "answered with something else"),
            ("endless", "finish", late),
        ] {
            try rig.order(order, request)
            let edge = try rig.verdict()
            #expect(edge.verdict == .unproven && edge.level == .declared, "\(edge.story)")
            let finding = edge.findings.first { $0.code == .nodeSilent && $0.node == "ant" }
            #expect(finding?.message.contains(words) ?? false, "\(order): \(edge.story)")
        }
        try rig.restore()
    }

    /// A capture that missed something: what was seen in the rest proves nothing.
    private func holes(_ rig: Rig) throws {
        // A device gets another name, one goes, one comes.
        try rig.order("run", "probe", "ip link set eth0 name wan0")
        try expectHole(rig, "eth0")
        try rig.world.shell("ant", "ip link set wan0 name eth0; ip tuntap add mode tap name tap9")
        try rig.world.shell("ant", "ip link set tap9 up")
        try rig.order("run", "probe", "ip link delete tap9")
        try expectHole(rig, "tap9")
        try rig.order("run", "probe", "ip tuntap add mode tap name tap8; ip link set tap8 up")
        try expectHole(rig, "tap8")
        try rig.world.shell("ant", "ip link delete tap8")
        try rig.restore()
        // More than the ring holds, while the witness cannot take it off.
        let flood = """
            exec /usr/bin/python3 -c 'import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for i in range(20000): s.sendto(bytes(1400), ("198.51.100.254", 9))'
            """
        try rig.order("stall", "probe", flood)
        try expectHole(rig, "missed")
        try rig.restore()
    }

    private func expectHole(_ rig: Rig, _ words: String) throws {
        let edge = try rig.verdict()
        #expect(edge.verdict == .unproven, "\(edge.story)")
        let finding = edge.findings.flatMap(\.all).first {
            $0.code == .captureIncomplete && $0.node == "ant" && $0.message.contains(words)
        }
        #expect(finding != nil, "\(words): \(edge.story)")
    }
}
