import LinuxSystem
import StateStore
import TestSupport
import Testing

/// After a kill the database file and some prefix of its log are on the disk, the last block perhaps torn: each commit
/// only appends to the log, so every such moment can be made from one finished run.
@Suite("A kill at any moment leaves the last whole commit")
struct CrashTests {
    static let rounds = 40
    static let keys = (0..<5).map { "key/\($0)" }

    /// The files of a store in which round n set every key to n, while it is still open.
    private func recorded(_ folder: String) throws -> (database: [UInt8], log: [UInt8]) {
        let store = try StateStore.openForWriting(folder: folder)
        for round in 1...Self.rounds {
            // Values of changing lengths, so that pages are split and freed on the way.
            let value = [UInt8](repeating: UInt8(round), count: 50 + round * 37 % 900)
            try store.commit(Self.keys.map { StoreChange($0, .put(value)) })
        }
        let files = (try Files.read("\(folder)/state.db"), try Files.read("\(folder)/state.db-wal"))
        _ = try store.get("key/0")
        return files
    }

    /// The round that a store shows, 0 for none; fails where its keys are of different rounds.
    private func round(in folder: String) throws -> Int {
        let store = try StateStore.openForWriting(folder: folder)
        #expect(try store.damage().isEmpty)
        let entries = try store.list("key/")
        let rounds = Set(entries.map { $0.value.first })
        #expect(rounds.count <= 1 && (entries.isEmpty || entries.count == Self.keys.count))
        // And it can go on.
        try store.put("after", [1])
        return Int(rounds.first.flatMap { $0 } ?? 0)
    }

    @Test(
        "Cut or torn anywhere, the log gives whole commits in their order",
        arguments: 0..<4 as Range<UInt64>)
    func cut(seed: UInt64) throws {
        try withFolder { parent in
            var random = SplitMix(seed)
            let (database, log) = try recorded("\(parent)/original")
            #expect(log.count > 100_000)
            var last = 0
            let cuts =
                [0, log.count] + (0..<25).map { _ in Int.random(in: 0...log.count, using: &random) }
            for (number, count) in cuts.sorted().enumerated() {
                var torn = Array(log.prefix(count))
                if count < log.count, count > 512 {
                    for index in count - 512..<count {
                        torn[index] = .random(in: 0...255, using: &random)
                    }
                }
                let folder = "\(parent)/\(number)"
                try Files.makeFolder(folder)
                try Files.replace("\(folder)/state.db", with: database)
                try Files.replace("\(folder)/state.db-wal", with: torn)
                let found = try round(in: folder)
                #expect(found >= last)
                last = found
            }
            #expect(last == Self.rounds)
        }
    }

    @Test("A kill before the tables were made leaves a folder that starts afresh")
    func beforeTables() throws {
        try withFolder { folder in
            try Files.replace("\(folder)/state.db", with: [])
            try Files.replace("\(folder)/lock", with: Array("12345\n".utf8))
            let unread = try StateStore.openForReading(folder: folder)
            #expect(unread == nil)
            #expect(try round(in: folder) == 0)
        }
    }

    @Test("A state of a newer version is left alone, and the message says whose it is")
    func newer() throws {
        try withFolder { folder in
            _ = try StateStore.openForWriting(folder: folder)
            // The version is the big-endian number at offset 60 of the file: https://www.sqlite.org/fileformat.html
            var bytes = try Files.read("\(folder)/state.db")
            #expect(Array(bytes[68..<72]) == Array("mpst".utf8))
            #expect(Array(bytes[60..<64]) == [0, 0, 0, 1])
            bytes[63] = 2
            try Files.replace("\(folder)/state.db", with: bytes)
            #expect(refusal { _ = try StateStore.openForWriting(folder: folder) } == .newerSchema)
            #expect(refusal { _ = try StateStore.openForReading(folder: folder) } == .newerSchema)
            #expect(try Files.read("\(folder)/state.db") == bytes)
        }
    }
}
