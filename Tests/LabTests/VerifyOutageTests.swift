import LinuxSystem
import MeshModel
import Testing

/// Case 29 as it happens. Nearly all of it is waiting, in which the thread is given back for other labs.
@Suite(
    "Verify does not trust a mesh whose datagrams no longer pass",
    .enabled(if: LabConditions.isRoot))
struct VerifyOutageTests {
    /// Longer than a handshake may be old (180 s, after which WireGuard itself uses no key any more).
    private static let seconds = 186

    @Test(
        "29: nothing of WireGuard's passed for over 180 s: unproven or down, guard on and off; then encrypted again"
    )
    func outage() async throws {
        let lab = try ClearLab("toutage", guarded: true)
        let world = lab.world
        try lab.twin("29, before")
        // On the bridge, so that neither host knows of it.
        try world.shell(
            "lan",
            """
            nft -f - <<'END'
            table bridge outage {
              chain forward { type filter hook forward priority filter; udp dport 51820 drop; }
            }
            END
            """)
        let began = Clocks.monotonic()
        let secret = "mptext\(UInt64.random(in: 0 ... .max))"
        let capture = try Capture(world.lab)
        // A client that goes on trying all the while.
        let client = try Background(
            world.lab, "ant", "sh", "-c",
            "while :; do curl -gs -m 2 -o /dev/null -H 'X-Text: \(secret)' 'http://\(VerifyLab.beeOverlay):8080/'; sleep 1; done"
        )
        defer { client.end() }
        try await Task.sleep(for: .seconds(Self.seconds))
        #expect(Clocks.monotonic() - began > 180)
        for isGuarded in [true, false] {
            if !isGuarded {
                try lab.filter()
                try world.guarded(false, tail: ClearLab.tail)
            }
            let (edge, report) = try world.judged("ant->web")
            let label = "guard \(isGuarded ? "on" : "off"): \(edge.story)"
            #expect([.down, .unproven].contains(edge.verdict), "\(label)")
            #expect(edge.codes.contains(.staleHandshake), "\(label)")
            #expect(!edge.codes.contains(.canaryOnWire), "\(label)")
            try capture.catchUp()
            #expect(try capture.canaries(of: report).isEmpty, "\(label)")
        }
        // WireGuard tried, with initiations of 148 bytes, and nothing that the client said crossed in clear.
        #expect(try capture.saw("\(VerifyLab.bee).51820: UDP, length 148"))
        #expect(try !capture.saw(secret))
        try capture.end()

        try world.shell("lan", "nft delete table bridge outage")
        try lab.twin("29, guard off")
        try world.guarded(true, tail: ClearLab.tail)
        try lab.twin("29, guard on")
    }
}
