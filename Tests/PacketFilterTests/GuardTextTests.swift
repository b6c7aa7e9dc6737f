import LinuxSystem
import MeshModel
import PacketFilter
import Testing

@Suite("The guard's table as text")
struct GuardTextTests {
    /// Reviewed by hand once; `nft --check --json --file` takes it as it is.
    private static let golden: String = {
        let here = String(#filePath).split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(here)/Fixtures/guard.json"
    }()

    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func sample() throws -> DesiredGuard {
        DesiredGuard(
            addresses: [try ip("10.77.0.1"), try ip("fd77::1")],
            networks: [
                try #require(IPPrefix("10.77.0.0/24")), try #require(IPPrefix("fd77::/64")),
            ],
            admitted: [
                GuardFlow(from: try ip("10.77.0.2"), to: try ip("10.77.0.1"), port: 8080),
                GuardFlow(from: try ip("10.77.0.2"), to: try ip("10.77.0.3"), port: 9000),
                GuardFlow(from: try ip("fd77::2"), to: try ip("fd77::1"), port: 8080),
            ],
            reachable: [SocketEndpoint(try ip("10.77.0.4"), 5432)],
            shielded: [ShieldedPort(.tcp, 8080), ShieldedPort(.udp, 8080)], managementPort: 22)
    }

    @Test(
        "is one transaction, byte for byte: the table anew, then counters, sets, chains and rules")
    func golden() throws {
        let text = JSONText.transaction(
            try sample(), mesh: "lab", drops: [GuardDrop(.shield, packets: 3, bytes: 180)])
        #expect(text == String(decoding: try Files.read(Self.golden), as: UTF8.self))
    }

    @Test("anything else than what is wanted is told")
    func differences() throws {
        let wanted = try sample()
        #expect(JSONText.differences(in: "no JSON", from: wanted, mesh: "lab") == nil)
        let empty = try #require(
            JSONText.differences(in: "{\"nftables\":[]}", from: wanted, mesh: "lab"))
        #expect(empty.contains("chain arrive is missing"))
        #expect(empty.contains("set edges4 lacks 10.77.0.2 . 10.77.0.1 . 8080"))
        #expect(empty.contains("chain from-mesh lacks the rule for declared edges"))
        #expect(empty.contains("the table itself was changed"))
    }
}
