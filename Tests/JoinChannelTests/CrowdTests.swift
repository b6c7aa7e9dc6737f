import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import Testing

@Suite("Whoever has the most loses first")
struct CrowdTests {
    private typealias Entry = JoinCrowd.Entry

    @Test(
        "an IPv6 /64 is one source, and an IPv4 address is one",
        arguments: [
            ("2001:db8:1:2::7", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::7", "2001:db8:1:3::7", false),
            ("2001:db8:1:2::7 through bee", "2001:db8:1:2::8 through bee", true),
            ("2001:db8:1:2::7 through bee", "2001:db8:1:2::7 through owl", false),
            ("fe80::1%eth0", "fe80::2%eth0", true), ("fe80::1%eth0", "fe80::1%eth1", false),
            ("192.0.2.1", "192.0.2.2", false), ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("::1", "::2", false), ("somebody", "somebody", true),
        ])
    func sources(_ one: String, _ other: String, _ areSame: Bool) {
        #expect((JoinCrowd.source(of: one) == JoinCrowd.source(of: other)) == areSame)
    }

    @Test("of too many the source with the most loses its oldest, never one that has shown the key")
    func order() {
        let crowd = JoinCrowd(limit: 4, perSource: 3)
        func loser(_ entries: [(String, Bool)]) -> Int? {
            crowd.givesWay(in: entries.map { Entry(source: $0.0, isProven: $0.1) })
        }
        #expect(loser([]) == nil)
        #expect(loser([("a", false), ("b", false), ("b", false), ("c", false)]) == nil)
        let most = loser([("a", false), ("b", false), ("b", false), ("c", false), ("d", false)])
        #expect(most == 1, "not the oldest of all")
        let alike = loser([("a", true), ("b", false), ("c", false), ("d", false), ("e", false)])
        #expect(alike == 1, "of as many each the oldest that has shown nothing")
        let full = loser([("a", true), ("b", true), ("c", true), ("d", true), ("e", false)])
        #expect(full == 4, "the newcomer")
        let known = loser([("a", true), ("b", true), ("c", true), ("d", true), ("e", true)])
        #expect(known == 4)
        let greedy = loser([("a", true), ("a", false), ("a", false), ("a", false)])
        #expect(greedy == nil, "what has shown the key does not count against its address")
        #expect(loser([("a", false), ("a", false), ("a", false), ("a", false)]) == 0)
    }
}
