import Testing

@testable import MeshCLI

@Suite("An invite is asked for in a way that can be")
struct InvitationTests {
    @Test(
        "how long a token is good",
        arguments: [("30s", 30.0), ("15m", 900), ("1h", 3600), ("24h", 86_400)])
    func expiry(_ text: String, _ seconds: Double) throws {
        #expect(try PeerInvitation.expiry(text) == seconds)
    }

    @Test(
        "and how long not",
        arguments: [
            "", "15", "m", "29s", "25h", "1d", "-1h", "1.5h", "99999999999999999999h",
            "9223372036854775807h", "15 m",
        ])
    func notAnExpiry(_ text: String) {
        #expect(throws: CommandFailure.self) { try PeerInvitation.expiry(text) }
    }

    @Test(
        "a call that cannot be is refused before there is a state",
        arguments: [
            [], ["--listen", "192.0.2.1:1", "--through", "hub"], ["--unmanaged"],
            ["--listen", "0.0.0.0:7443"], ["--listen", "somewhere"], ["--listen", "192.0.2.1:x"],
            ["--listen", "192.0.2.1:1", "--listen", "192.0.2.2:2"], ["--through", "nobody"],
            ["--through", "nas"], ["--through", "hub:x"], ["--through", "phone"],
            ["--listen", "192.0.2.1:1", "--expires", "3d"],
        ])
    func refused(_ options: [String]) throws {
        let folder = try InvitationFolder()
        let arguments =
            ["peer", "invite", "nas", "-t", folder.topology, "--state", folder.state, "--quiet"]
            + options
        #expect(MeshCLI.run(arguments) == ExitCode.usage)
        #expect(!folder.hasState)
    }
}
