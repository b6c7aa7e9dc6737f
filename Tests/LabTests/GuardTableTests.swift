import Glibc
import LinuxSystem
import MeshModel
import PacketFilter
import Testing

@Suite(
    "The guard's table in the running kernel's nftables", .serialized,
    .enabled(if: LabConditions.isRoot))
struct GuardTableTests {
    /// A guard with something of everything.
    static func wanted() throws -> DesiredGuard {
        func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
        return DesiredGuard(
            addresses: [try ip("10.77.0.1"), try ip("fd77::1")],
            networks: [
                try #require(IPPrefix("10.77.0.0/24")), try #require(IPPrefix("fd77::/64")),
            ],
            admitted: [
                GuardFlow(from: try ip("10.77.0.2"), to: try ip("10.77.0.1"), port: 8080),
                GuardFlow(from: try ip("10.77.0.2"), to: try ip("10.77.0.3"), port: 9000),
                GuardFlow(from: try ip("fd77::2"), to: try ip("fd77::1"), port: 8080),
            ],
            reachable: [
                SocketEndpoint(try ip("10.77.0.4"), 5432), SocketEndpoint(try ip("fd77::4"), 5432),
            ],
            shielded: [ShieldedPort(.tcp, 8080), ShieldedPort(.udp, 8080)], managementPort: 22)
    }

    /// A ruleset of somebody else's, with something that a careless program would take away or change.
    static let foreign = """
        table ip nat {
            chain PREROUTING { type nat hook prerouting priority dstnat; policy accept;
                tcp dport 9999 dnat to 192.0.2.7:80 comment "theirs"
            }
        }
        table inet meshproof-other {
            counter theirs { packets 7 bytes 700 }
            chain in { type filter hook input priority 0; policy accept; counter name theirs; }
        }
        table inet filter {
            set s { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }
        }

        """

    private static func tables(_ names: String...) throws -> String {
        try names.map { try run("nft list table \($0)") }.joined()
    }

    private static func load(_ text: String) throws {
        let result = try Child.run(["nft", "-f", "-"], input: Array(text.utf8))
        try #require(result.status.isSuccess, "\(result.errorText)")
    }

    @Test("is set, found to be as wanted, and gone again; what others have stays to the byte")
    func life() throws {
        try inOwnNetwork {
            try Self.load(Self.foreign)
            let before = try run("nft list ruleset")
            let tables = try Self.tables("ip nat", "inet meshproof-other", "inet filter")
            let keeper = GuardKeeper(mesh: "lab")
            let wanted = try Self.wanted()
            #expect(keeper.observe(nil) == nil)
            #expect(keeper.observe(wanted)?.differences == ["there is none"])
            try keeper.set(wanted)
            try expectSettled(keeper, wanted)
            // A keeper that has written nothing itself sees the same: it goes by what the kernel says.
            try expectSettled(GuardKeeper(mesh: "lab"), wanted)
            try keeper.set(wanted)
            try expectSettled(keeper, wanted)
            #expect(
                try Self.tables("ip nat", "inet meshproof-other", "inet filter")
                    == tables)
            try keeper.remove()
            try keeper.remove()
            #expect(keeper.observe(nil) == nil)
            #expect(try run("nft list ruleset") == before)
        }
    }

    private func expectSettled(_ keeper: GuardKeeper, _ wanted: DesiredGuard) throws {
        let found = try #require(keeper.observe(wanted))
        #expect(found.problem == nil && found.differences.isEmpty, "\(found)")
        #expect(found.drops.map(\.reason) == GuardDrop.Reason.allCases)
    }

    @Test("two meshes' guards live side by side")
    func sideBySide() throws {
        try inOwnNetwork {
            let one = GuardKeeper(mesh: "one")
            let other = GuardKeeper(mesh: "other")
            let wanted = try Self.wanted()
            try one.set(wanted)
            try other.set(wanted)
            try one.remove()
            #expect(one.observe(nil) == nil)
            try expectSettled(other, wanted)
        }
    }

    /// What somebody does by hand to the table of `life()`, and the line that must say so.
    static let tampering: [(command: String, line: String)] = [
        ("flush chain inet meshproof-lab shield", "chain shield lacks the rule for a declared"),
        ("insert rule inet meshproof-lab from-mesh accept", "chain from-mesh has a rule that is"),
        (
            "add rule inet meshproof-lab pass ip saddr 192.0.2.1 accept comment \"mine\"",
            "chain pass has a rule that is not wanted (mine)"
        ),
        (
            "add element inet meshproof-lab edges4 { 10.77.0.9 . 10.77.0.1 . 22 }",
            "set edges4 has 10.77.0.9 . 10.77.0.1 . 22, which is not wanted"
        ),
        (
            "delete element inet meshproof-lab shielded { tcp . 8080 }",
            "set shielded lacks 6 . 8080"
        ),
        (
            "add table inet meshproof-lab { flags dormant; }",
            "the table itself was changed"
        ),
        (
            "add chain inet meshproof-lab more { type filter hook input priority 5; }",
            "chain more does not belong there"
        ),
        ("add counter inet meshproof-lab mine", "counter mine does not belong there"),
        (
            "add chain inet meshproof-lab arrive { policy drop; }", "chain arrive was changed"
        ),
        ("delete table inet meshproof-lab", "there is none"),
    ]

    @Test("a change by hand is told, and nothing but it", arguments: tampering.indices)
    func changed(index: Int) throws {
        let (command, line) = Self.tampering[index]
        try inOwnNetwork {
            let keeper = GuardKeeper(mesh: "lab")
            let wanted = try Self.wanted()
            try keeper.set(wanted)
            try Self.load(command + "\n")
            let found = try #require(keeper.observe(wanted))
            #expect(!found.differences.isEmpty)
            #expect(found.differences.allSatisfy { $0.contains(line) || $0.contains("shield") })
            #expect(found.differences.contains { $0.hasPrefix(line) }, "\(found.differences)")
            try keeper.set(wanted)
            try expectSettled(keeper, wanted)
        }
    }

    @Test("counters keep their counts when the table is replaced, by hand or by another document")
    func counts() throws {
        try inOwnNetwork {
            let keeper = GuardKeeper(mesh: "lab")
            var wanted = try Self.wanted()
            try keeper.set(wanted)
            // The overlay's packets have nowhere to go but out of a device that is not the mesh's.
            _ = try run("ip link set lo up")
            _ = try run("ip link add out0 type veth peer name in0")
            _ = try run("ip addr add 192.0.2.1/24 dev out0")
            _ = try run("ip link set out0 up")
            _ = try run("ip link set in0 up")
            _ = try run("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev out0")
            _ = try run("ip route add 10.77.0.0/24 via 192.0.2.2")
            let ping = try Child.run(["ping", "-c", "2", "-i", "0.2", "-W", "1", "10.77.0.9"])
            #expect(!ping.status.isSuccess)
            func closed() -> UInt64? {
                keeper.observe(wanted)?.drops.first { $0.reason == .failClosed }?.packets
            }
            #expect(closed() == 2)
            wanted.shielded = []
            try keeper.set(wanted)
            #expect(closed() == 2)
        }
    }
}
