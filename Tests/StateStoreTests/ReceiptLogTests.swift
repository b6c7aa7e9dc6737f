import StateStore
import Testing

@Suite("The log of receipts only grows, one after the other")
struct ReceiptLogTests {
    @Test("Each receipt gets the next number, and the log's end says which is the last")
    func grows() throws {
        let log = ReceiptLog(MemoryStore())
        #expect(try log.head() == nil)
        let first = try log.append([1], digest: "aa", after: nil)
        let second = try log.append([2], digest: "bb", after: first)
        #expect(second == .init(sequence: 2, digest: "bb"))
        #expect(try log.head() == second)
        #expect(try [1, 2, 3].map { try log.envelope($0) } == [[1], [2], nil])
    }

    @Test("Who appends to an old end is refused, and nothing is written")
    func overtaken() throws {
        let store = MemoryStore()
        let log = ReceiptLog(store)
        let first = try log.append([1], digest: "aa", after: nil)
        #expect(refusal { _ = try log.append([9], digest: "xx", after: nil) } == .conflict)
        let forged = ReceiptLog.Head(sequence: 1, digest: "zz")
        #expect(refusal { _ = try log.append([9], digest: "xx", after: forged) } == .conflict)
        #expect(try log.head() == first)
        #expect(try store.list("receipt/").count == 2)
    }

    @Test("A number that is taken is never written over, even where the log's end was turned back")
    func neverOverwritten() throws {
        let store = MemoryStore()
        let log = ReceiptLog(store)
        let first = try log.append([1], digest: "aa", after: nil)
        let old = try #require(try store.get("receipt/head")).value
        _ = try log.append([2], digest: "bb", after: first)
        try store.put("receipt/head", old)
        #expect(refusal { _ = try log.append([9], digest: "xx", after: first) } == .conflict)
        #expect(try log.envelope(2) == [2])
    }

    @Test("The log outlives the process, in a state that an earlier version made")
    func outlives() throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            try store.put("mesh/identity", [0x61])
            #expect(try MeshRegistry(store).controllerKey() == nil)
            _ = try ReceiptLog(store).append([1, 2, 3], digest: "aa", after: nil)
            let reader = try #require(try StateStore.openForReading(folder: folder))
            #expect(try ReceiptLog(reader).envelope(1) == [1, 2, 3])
            #expect(try ReceiptLog(reader).head()?.digest == "aa")
        }
    }
}
