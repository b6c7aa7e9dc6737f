import Testing

@testable import SSHTunnel

@Suite("Memory is given back once connections rest")
struct HeapRestTests {
    @Test("not for a few bytes, not while they move, and once")
    func rests() {
        var rest = HeapRest()
        rest.note(HeapRest.worth - 1, at: 1_000)
        #expect(rest.deadline == .infinity)
        rest.note(1, at: 1_001)
        rest.note(1, at: 1_004)
        rest.note(0, at: 1_008)
        let due = 1_004 + HeapRest.quiet
        #expect(rest.deadline == due)
        rest.look(at: 1_008)
        #expect(rest.deadline == due)
        rest.look(at: due)
        #expect(rest.deadline == .infinity)
        rest.note(1, at: 2_000)
        #expect(rest.deadline == .infinity)
    }
}
