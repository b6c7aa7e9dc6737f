import LinuxSystem
import StateStore
import Testing

@Suite("The journal says where a killed command stopped")
struct JournalTests {
    @Test("A run that was never finished is found again, with its steps in order")
    func unfinished() throws {
        try withFolder { folder in
            do {
                let journal = Journal(try StateStore.openForWriting(folder: folder))
                try journal.begin("run-1", command: "meshproof up", at: 1)
                for number in 0..<12 {
                    try journal.append(
                        JournalStep(node: "gpu", step: "stage", state: .done, at: Double(number)),
                        to: "run-1")
                }
            }
            let journal = Journal(try StateStore.openForWriting(folder: folder))
            #expect(try journal.unfinished().map(\.id) == ["run-1"])
            // A second process goes on where the first one's numbers ended.
            try journal.append(
                JournalStep(node: "gpu", step: "commit", state: .begun, at: 99), to: "run-1")
            #expect(try journal.steps(of: "run-1").map(\.at) == (0..<12).map(Double.init) + [99])
            try journal.finish("run-1", outcome: "fine", at: 100)
            try journal.finish("run-1", outcome: "again", at: 101)
            #expect(try journal.unfinished().isEmpty)
            #expect(
                try journal.finished(last: 5) == [
                    JournalRun(
                        id: "run-1", command: "meshproof up", started: 1, finished: 100,
                        outcome: "fine")
                ])
        }
    }

    @Test("A run is begun once, and takes no step after its end")
    func closedIsClosed() throws {
        let journal = Journal(MemoryStore())
        let step = JournalStep(node: "", step: "sign", state: .begun, at: 2)
        #expect(refusal { try journal.append(step, to: "r") } == .conflict)
        try journal.begin("r", command: "up", at: 1)
        #expect(refusal { try journal.begin("r", command: "up", at: 1) } == .conflict)
        try journal.finish("r", outcome: "fine", at: 3)
        #expect(refusal { try journal.begin("r", command: "up", at: 1) } == .conflict)
        #expect(refusal { try journal.append(step, to: "r") } == .conflict)
    }

    @Test("Steps of many threads are all kept")
    func manyThreads() throws {
        let journal = Journal(MemoryStore())
        try journal.begin("r", command: "up", at: 1)
        let kept = try fanOut(Array(0..<64), limit: 8, name: "journal") { number in
            let step = JournalStep(node: "n\(number)", step: "stage", state: .done, at: 0)
            return (try? journal.append(step, to: "r")) != nil
        }
        #expect(kept.allSatisfy { $0 })
        #expect(Set(try journal.steps(of: "r").map(\.node)).count == 64)
    }

    @Test("Pruning forgets the oldest finished runs and nothing that is open")
    func pruned() throws {
        let store = MemoryStore()
        let journal = Journal(store)
        for number in 1...4 {
            try journal.begin("r\(number)", command: "up", at: Double(number))
            try journal.append(
                JournalStep(node: "", step: "sign", state: .done, at: 0), to: "r\(number)")
            if number != 2 { try journal.finish("r\(number)", outcome: "fine", at: 9) }
        }
        try journal.prune(keeping: 1)
        #expect(try journal.finished(last: 9).map(\.id) == ["r4"])
        #expect(try journal.unfinished().map(\.id) == ["r2"])
        #expect(try store.list("journal/step/").map(\.key).count == 2)
    }
}
