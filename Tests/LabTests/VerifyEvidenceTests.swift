import LinuxSystem
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "Evidence that is old, another's, or full of holes proves nothing", .serialized,
    .enabled(if: LabConditions.isRoot))
struct VerifyEvidenceTests {
    /// A mesh on whose nodes somebody stands between the controller and the witness.
    private final class Rig {
        let world: VerifyLab
        private static let script: String = {
            let folder = Traffic.program.split(separator: "/").dropLast().joined(separator: "/")
            return "/\(folder)/impostor.py"
        }()

        init() throws {
            world = try VerifyLab("tvevidence", guarded: true)
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

        func verdict() throws -> EdgeVerdict {
            try world.verdict("ant->web", "--timeout", LabConditions.isUnderEmulation ? "60" : "6")
        }

        func clean() throws {
            try leave("ant")
            try world.shell("ant", "rm -f /tmp/impostor.json")
            let edge = try verdict()
            #expect(edge.verdict == .encrypted && edge.codes == [], "\(edge.story)")
        }
    }

    @Test("facts are refused that are of another run, node or boot, or were changed")
    func refused() throws {
        let rig = try Rig()
        try rig.clean()
        // Both nodes' genuine answers of an earlier run.
        try rig.order("record", "/tmp/facts.json")
        try rig.order("record", "/tmp/facts.json", on: "owl")
        let before = try rig.verdict()
        #expect(before.verdict == .encrypted, "\(before.story)")
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
        try silences(rig)
        try holes(rig)
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
        try rig.clean()
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
        try rig.clean()
        // More than the ring holds, while the witness cannot take it off.
        let flood = """
            exec /usr/bin/python3 -c 'import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for i in range(20000): s.sendto(bytes(1400), ("198.51.100.254", 9))'
            """
        try rig.order("stall", "probe", flood)
        try expectHole(rig, "missed")
        try rig.clean()
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
