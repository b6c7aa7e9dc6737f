import MeshModel
import StateStore
import Testing

@Suite("The registries keep what the mesh must not lose")
struct RegistryTests {
    let store = MemoryStore()

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("An address stays with its node, also after the node was retired")
    func addressesStay() throws {
        let registry = AddressRegistry(store)
        let (first, second) = (try address("10.77.0.1"), try address("fd77::1"))
        try registry.keep(["gpu": [first, second], "db": [address("10.77.0.2")]])
        try registry.retire("gpu", at: 5)
        #expect(try registry.all()["gpu"] == .init(addresses: [first, second], retiredAt: 5))
        #expect(refusal { try registry.keep(["new": [first]]) } == .addressTaken)
        try registry.keep(["gpu": [first, second]])
        #expect(try registry.all()["gpu"]?.retiredAt == nil)
    }

    @Test("Released addresses are free for others")
    func released() throws {
        let registry = AddressRegistry(store)
        try registry.keep(["gpu": [address("10.77.0.1")]])
        try registry.release("gpu")
        try registry.release("gpu")
        try registry.keep(["new": [address("10.77.0.1")]])
        #expect(try registry.all().keys.sorted() == ["new"])
    }

    @Test("A node may get a further address and never lose one by mistake")
    func neverMoved() throws {
        let registry = AddressRegistry(store)
        let first = try address("10.77.0.1")
        try registry.keep(["gpu": [first]])
        try registry.keep(["gpu": [first, address("fd77::1")]])
        #expect(refusal { try registry.keep(["gpu": [address("fd77::1")]]) } == .addressTaken)
        #expect(
            refusal { try registry.keep(["a": [address("::7")], "b": [address("::7")]]) }
                == .addressTaken)
        #expect(try registry.all().count == 1)
    }

    @Test("Keeping the same addresses again changes nothing")
    func keptTwice() throws {
        let registry = AddressRegistry(store)
        try registry.keep(["gpu": [address("10.77.0.1")]])
        let before = try store.list("")
        try registry.keep(["gpu": [address("10.77.0.1")]])
        #expect(try store.list("") == before)
    }

    @Test("Revisions grow by one, and past what a node has seen")
    func revisions() throws {
        let registry = NodeRegistry(store)
        #expect(try registry.nextRevisions(for: ["a", "b"]) == ["a": 1, "b": 1])
        #expect(try registry.nextRevisions(for: ["a"]) == ["a": 2])
        #expect(
            try registry.nextRevisions(for: ["a", "b"], above: ["a": 40, "b": 0]) == [
                "a": 41, "b": 2,
            ])
        #expect(
            refusal { _ = try registry.nextRevisions(for: ["a"], above: ["a": .max]) } == .malformed
        )
        #expect(try registry.node("a")?.revision == 41)
    }

    @Test("A node's keys are kept by generation")
    func nodeKeys() throws {
        let registry = NodeRegistry(store)
        let key = try #require(PublicKey(bytes: Array(0..<32)))
        try registry.update("gpu") { $0.keys[1] = key }
        try registry.update("gpu") { $0.lastSeen = 12.5 }
        #expect(try registry.all() == ["gpu": NodeRecord(keys: [1: key], lastSeen: 12.5)])
        try registry.remove("gpu")
        #expect(try registry.node("gpu") == nil)
    }

    @Test("A pair has one key, whichever way round it is named")
    func pairs() throws {
        let registry = PresharedKeyRegistry(store)
        let id = PresharedKeyID(rawValue: "000102030405060708090a0b0c0d0e0f")
        let entry = PresharedKeyRegistry.Entry(id: id, sealed: [1, 2, 3])
        try registry.add([Peering("gpu", "db"): entry], generation: 0)
        #expect(try registry.entry(of: Peering("db", "gpu"), generation: 0) == entry)
        #expect(try registry.all(generation: 0) == [Peering("db", "gpu"): entry])
        #expect(try registry.all(generation: 1).isEmpty)
        #expect(try registry.generations() == [0])
        #expect(
            refusal { try registry.add([Peering("db", "gpu"): entry], generation: 0) } == .conflict)
        try registry.remove([Peering("db", "gpu")], generation: 0)
        #expect(try registry.generations().isEmpty)
    }

    @Test(
        "A name that would reach into another part of a key is refused",
        arguments: ["a/b", "", "ü", "a b"])
    func badNames(name: String) throws {
        #expect(refusal { try NodeRegistry(store).update(name) { $0.revision = 1 } } == .invalidKey)
        #expect(refusal { try SecretRegistry(store).replace([name: [1]]) } == .invalidKey)
    }

    @Test("A sealed secret is made once and can be sealed anew")
    func secrets() throws {
        let registry = SecretRegistry(store)
        #expect(try registry.sealed("signing-key") == nil)
        #expect(try registry.settle("signing-key") { [1] } == [1])
        #expect(try registry.settle("signing-key") { [2] } == [1])
        try registry.replace(["signing-key": [3]])
        #expect(try registry.all() == ["signing-key": [3]])
    }

    @Test("A record that cannot be read is named, not guessed")
    func malformed() throws {
        try store.put("node/gpu", Array("{\"keys\":".utf8))
        #expect(refusal { _ = try NodeRegistry(store).all() } == .malformed)
        try store.put("psk/0/a/b", [1, 2])
        #expect(refusal { _ = try PresharedKeyRegistry(store).all(generation: 0) } == .malformed)
    }
}
