import StateStore
import TestSupport
import Testing

@Suite("A commit happens whole and only as expected")
struct CompareAndSwapTests {
    @Test("A commit with one expectation that fails changes nothing and names the key")
    func atomic() throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            try store.put("b", [1])
            #expect {
                try store.commit([
                    StoreChange("a", .put([9])),
                    StoreChange("b", .put([9]), expecting: .absent),
                ])
            } throws: { error in
                (error as? StoreError)?.code == .conflict && (error as? StoreError)?.subject == "b"
            }
            #expect(try store.get("a") == nil)
            #expect(try store.get("b")?.value == [1])
        }
    }

    @Test("A key that was deleted and made again has a version it never had")
    func noSecondLife() throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            let first = try store.put("a", [1])
            try store.delete("a")
            try store.put("a", [1])
            #expect(refusal { try store.put("a", [2], expecting: .version(first)) } == .conflict)
        }
    }

    @Test("A key that is in one commit twice is refused")
    func twice() throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            let changes = [StoreChange("a", .put([1])), StoreChange("a", .delete)]
            #expect(refusal { try store.commit(changes) } == .invalidKey)
        }
    }

    @Test("Listing takes the keys under a prefix and no neighbours")
    func listing() throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            for key in ["a", "a/", "a/1", "a/~", "a0", "b", "a/1/2", "a."] {
                try store.put(key, [])
            }
            #expect(try store.list("a/").map(\.key) == ["a/", "a/1", "a/1/2", "a/~"])
            #expect(try store.list("").count == 8)
        }
    }

    /// Any mix of changes does the same to the file as to a dictionary.
    @Test("SQLite and the store in memory never differ", arguments: 0..<8 as Range<UInt64>)
    func sameAsModel(seed: UInt64) throws {
        try withFolder { folder in
            var random = SplitMix(seed)
            let store = try StateStore.openForWriting(folder: folder)
            let model = MemoryStore()
            for _ in 0..<150 {
                let keys = (0..<6).map { "k/\($0)" }.shuffled(using: &random)
                    .prefix(Int.random(in: 1...3, using: &random))
                let changes = keys.map { key in
                    StoreChange(
                        key,
                        [.put([UInt8.random(in: 0...255, using: &random)]), .delete, .check]
                            .randomElement(using: &random) ?? .check,
                        expecting: [
                            .anything, .absent, .version((try? model.get(key))??.version ?? 0),
                            .version(UInt64.random(in: 0...20, using: &random)),
                        ].randomElement(using: &random) ?? .anything)
                }
                let ours = Result { try store.commit(changes) }
                let expected = Result { try model.commit(changes) }
                switch (ours, expected) {
                case (.success(let one), .success(let other)): #expect(one == other)
                case (.failure(let one as StoreError), .failure(let other as StoreError)):
                    #expect(one == other)
                default: Issue.record("one took \(changes), the other did not")
                }
                #expect(try store.list("") == model.list(""))
            }
        }
    }

    @Test("What is settled once stays, whoever asks again")
    func settled() throws {
        let store = MemoryStore()
        #expect(try store.settle("id") { [1] } == [1])
        #expect(try store.settle("id") { [2] } == [1])
        let mesh = MeshRegistry(store)
        #expect(try mesh.identity() == nil)
        #expect(try mesh.settleIdentity("aa") == "aa")
        #expect(try mesh.settleIdentity("bb") == "aa")
    }

    @Test("Who is overtaken while updating starts again from the new value")
    func overtaken() throws {
        let store = MemoryStore()
        try store.put("n", [1])
        var rounds = 0
        try store.update("n") { (before) throws(StoreError) in
            rounds += 1
            if rounds == 1 { try store.put("n", [10]) }
            return before.map { [$0[0] + 1] }
        }
        #expect(try store.get("n")?.value == [11])
        #expect(rounds == 2)
    }
}
