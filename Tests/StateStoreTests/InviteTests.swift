import LinuxSystem
import StateStore
import Synchronization
import Testing

@Suite("A token is used once, whoever comes and when")
struct InviteTests {
    private static func record(_ node: String = "nas", expires: Int64 = 1000) -> InviteRecord {
        InviteRecord(node: node, proof: "00", expires: expires)
    }

    @Test("once, and not again; not when it is over; not when nobody knows it")
    func once() throws {
        let registry = InviteRegistry(MemoryStore())
        try registry.open(Self.record(), id: "aa", now: 0)
        #expect(try registry.use("aa", at: 10))
        #expect(try !registry.use("aa", at: 11))
        #expect(try registry.record("aa")?.usedAt == 10)
        try registry.open(Self.record("gpu"), id: "bb", now: 0)
        #expect(try !registry.use("bb", at: 1000))
        #expect(try !registry.use("cc", at: 10))
        try registry.close("bb")
        #expect(try !registry.use("bb", at: 10))
    }

    @Test("of many at the same moment exactly one")
    func race() throws {
        for _ in 0..<50 {
            let registry = InviteRegistry(MemoryStore())
            try registry.open(Self.record(), id: "aa", now: 0)
            let won = try fanOut(Array(0..<8), limit: 8, name: "use") { _ in
                (try? registry.use("aa", at: 1)) == true
            }
            #expect(won.filter { $0 }.count == 1)
        }
    }

    @Test(
        "a new token of a node makes its older ones good for nothing, and clears what is long over")
    func replaces() throws {
        let store = MemoryStore()
        let registry = InviteRegistry(store)
        try registry.open(Self.record(), id: "aa", now: 0)
        try registry.open(Self.record("gpu"), id: "bb", now: 0)
        try registry.open(Self.record(), id: "cc", now: 0)
        #expect(try !registry.use("aa", at: 1))
        #expect(try registry.use("bb", at: 1))
        try registry.open(Self.record("db", expires: 200_000), id: "dd", now: 100_000)
        #expect(try store.list("invite/").map(\.key) == ["invite/dd"])
        // The same id twice would be two secrets for one name.
        #expect(throws: StoreError.self) { try registry.open(Self.record("x"), id: "dd", now: 0) }
    }
}
