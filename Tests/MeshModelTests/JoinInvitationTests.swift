import MeshModel
import Testing

@Suite("An invitation's bytes are read only where they can be one")
struct JoinInvitationTests {
    static let invitation = JoinInvitation(
        id: [UInt8](1...16), mesh: "homelab", node: "nas", hosts: ["198.51.100.7", "2001:db8::7"],
        port: 7443, expires: 1_800_000_000,
        controllerKey: PublicKey(bytes: [UInt8](repeating: 3, count: 32)) ?? .zero)

    @Test("what is written is read")
    func roundTrip() { #expect(JoinInvitation(bytes: Self.invitation.bytes) == Self.invitation) }

    @Test("cut anywhere, or with something behind it, it is none")
    func cut() {
        let bytes = Self.invitation.bytes
        for count in 0..<bytes.count {
            #expect(JoinInvitation(bytes: bytes.prefix(count)) == nil)
        }
        #expect(JoinInvitation(bytes: bytes + [0]) == nil)
    }

    @Test("names that could lead a path or an option astray are refused")
    func names() {
        func read(_ change: (inout JoinInvitation) -> Void) -> JoinInvitation? {
            var invitation = Self.invitation
            change(&invitation)
            return JoinInvitation(bytes: invitation.bytes)
        }
        for name in ["", "..", "a/b", "-a", "a-", "A", "a b", "a\u{0}", "\u{e9}", "aaaaaaaaaaaa"] {
            #expect(read { $0.mesh = name } == nil, "\(name.debugDescription)")
        }
        for name in ["", "../x", "-x", "x;y", String(repeating: "a", count: 64)] {
            #expect(read { $0.node = name } == nil, "\(name.debugDescription)")
        }
        for host in ["", "-oProxy", "a b", "$(id)", "a\n", "http://x"] {
            #expect(read { $0.hosts = [host] } == nil, "\(host.debugDescription)")
        }
        #expect(read { $0.hosts = [] } == nil)
        #expect(read { $0.hosts = ["a", "b", "c", "d", "e"] } == nil)
        #expect(read { $0.port = 0 } == nil)
        #expect(read { $0.controllerKey = .zero } == nil)
        #expect(read { $0.expires = -1 } == nil)
        #expect(read { $0.expires = 1 << 40 } == nil)
    }

    @Test("noise neither traps nor becomes another invitation than it says")
    func noise() {
        for _ in 0..<20_000 {
            var bytes = Self.invitation.bytes
            for _ in 0..<Int.random(in: 1...4) {
                bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255)
            }
            if let read = JoinInvitation(bytes: bytes) { #expect(read.bytes == bytes) }
        }
    }
}
