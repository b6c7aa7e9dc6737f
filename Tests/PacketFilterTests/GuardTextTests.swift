import MeshModel
import PacketFilter
import Testing

@Suite("The guard's table as text")
struct GuardTextTests {
    @Test("placeholder")
    func golden() throws {
        print(JSONText.transaction(try sample(), mesh: "lab"))
    }

    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func sample() throws -> DesiredGuard {
        DesiredGuard(
            addresses: [try ip("10.77.0.1"), try ip("fd77::1")],
            networks: [
                try #require(IPPrefix("10.77.0.0/24")), try #require(IPPrefix("fd77::/64")),
            ],
            admitted: [
                GuardFlow(from: try ip("10.77.0.2"), to: try ip("10.77.0.1"), port: 8080),
                GuardFlow(from: try ip("fd77::2"), to: try ip("fd77::1"), port: 8080),
            ],
            reachable: [SocketEndpoint(try ip("10.77.0.4"), 5432)],
            shielded: [ShieldedPort(.tcp, 8080), ShieldedPort(.udp, 8080)])
    }
}
