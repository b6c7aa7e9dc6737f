import Testing
import WireWitness

@Suite("Canaries are found wherever they are")
struct CanarySearchTests {
    private func find(_ text: String, prefix: String = "mpc-") -> [String] {
        var found: [String] = []
        Array(text.utf8).withUnsafeBytes { bytes in
            CanarySearch(prefix: prefix).each(PacketBytes(bytes)) {
                found.append(String(decoding: $0.raw, as: UTF8.self))
            }
        }
        return found
    }

    @Test(
        "a canary ends at any byte that is not of its kind",
        arguments: [
            ("xxmpc-a1-b2\r\n", ["mpc-a1-b2"]), ("mpc-a", ["mpc-a"]), ("mpc-", ["mpc-"]),
            ("mpc-aB", ["mpc-a"]), ("mpc-a mpc-b", ["mpc-a", "mpc-b"]),
            ("mpmpc-a", ["mpc-a"]), ("mpc", []), ("", []), ("MPC-a", []),
        ])
    func ends(text: String, expected: [String]) {
        #expect(find(text) == expected)
    }

    @Test("no more than a canary's length is kept of a run without an end")
    func long() {
        let found = find("mpc-" + String(repeating: "a", count: 1000))
        #expect(found.map(\.count) == [CanarySearch.longest])
    }

    @Test("without a prefix there is nothing to find")
    func empty() {
        #expect(find("mpc-a", prefix: "").isEmpty)
    }
}
