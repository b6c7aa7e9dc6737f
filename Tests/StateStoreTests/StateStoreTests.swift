import LinuxSystem
import StateStore
import Testing

@Suite("The state is one person's, one writer's and survives")
struct StateStoreTests {
    @Test("What was committed is there after the store is opened again")
    func reopened() throws {
        try withFolder { folder in
            let written = try StateStore.openForWriting(folder: folder).put("a/b", [1, 2, 3])
            let store = try StateStore.openForWriting(folder: folder)
            #expect(try store.get("a/b") == VersionedValue(value: [1, 2, 3], version: written))
            #expect(try store.get("a") == nil)
        }
    }

    @Test("An empty value is a value")
    func emptyValue() throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            let version = try store.put("empty", [])
            #expect(try store.get("empty") == VersionedValue(value: [], version: version))
        }
    }

    @Test("Folder and files are for their owner alone")
    func modes() throws {
        try withFolder { parent in
            let folder = "\(parent)/deep/state"
            let store = try StateStore.openForWriting(folder: folder)
            try store.put("a", [1])
            #expect(Files.mode(folder) == 0o700)
            for name in try Files.list(folder) {
                #expect(Files.mode("\(folder)/\(name)") == 0o600, "\(name)")
            }
            #expect(try Files.list(folder).contains("state.db-wal"))
        }
    }

    @Test("A file that became readable is closed to others again")
    func tightened() throws {
        try withFolder { folder in
            try Files.replace("\(folder)/state.db", with: [], mode: 0o644)
            _ = try StateStore.openForWriting(folder: folder)
            #expect(Files.mode("\(folder)/state.db") == 0o600)
        }
    }

    @Test("A second writer is told who the first one is")
    func secondWriter() throws {
        try withFolder { folder in
            let first = try StateStore.openForWriting(folder: folder)
            let holder = try #require(FileLock.holder(path: "\(folder)/lock"))
            #expect {
                _ = try StateStore.openForWriting(folder: folder)
            } throws: { error in
                let error = error as? StoreError
                return error?.code == .inUse
                    && error?.message == "another meshproof (pid \(holder)) is working on this mesh"
            }
            try first.put("still", [1])
        }
    }

    @Test("A reader sees each commit of a writer that works, and cannot write")
    func readerBesideWriter() throws {
        try withFolder { folder in
            let writer = try StateStore.openForWriting(folder: folder)
            try writer.put("a", [1])
            let reader = try #require(try StateStore.openForReading(folder: folder))
            #expect(try reader.get("a")?.value == [1])
            try writer.put("a", [2])
            #expect(try reader.get("a")?.value == [2])
            #expect(refusal { try reader.put("a", [3]) } == .readOnly)
            #expect(try writer.get("a")?.value == [2])
        }
    }

    @Test("Reading where there is no state finds none and makes none")
    func readingNothing() throws {
        try withFolder { folder in
            let missing = try StateStore.openForReading(folder: "\(folder)/none")
            let empty = try StateStore.openForReading(folder: folder)
            #expect(missing == nil && empty == nil)
            #expect(try Files.list(folder).isEmpty)
        }
    }

    @Test("A link to the folder is followed, a link in the file's place is refused")
    func links() throws {
        try withFolder { parent in
            try Files.makeFolder("\(parent)/real")
            #expect(try Child.run(["ln", "-s", "real", "\(parent)/link"]).status.isSuccess)
            try StateStore.openForWriting(folder: "\(parent)/link").put("a", [1])
            #expect(try StateStore.openForReading(folder: "\(parent)/link")?.get("a")?.value == [1])
            try Files.makeFolder("\(parent)/trap")
            let link = ["ln", "-s", "../real/state.db", "\(parent)/trap/state.db"]
            #expect(try Child.run(link).status.isSuccess)
            #expect(
                refusal { _ = try StateStore.openForWriting(folder: "\(parent)/trap") }
                    == .permission)
            #expect(
                refusal { _ = try StateStore.openForReading(folder: "\(parent)/trap") }
                    == .permission)
        }
    }

    @Test("A folder that others can write to is refused")
    func sharedFolder() throws {
        try withFolder { parent in
            let folder = "\(parent)/shared"
            try Files.makeFolder(folder, mode: 0o777)
            let result = try Child.run(["chmod", "777", folder])
            #expect(result.status.isSuccess)
            #expect(refusal { _ = try StateStore.openForWriting(folder: folder) } == .permission)
        }
    }

    @Test("A file of something else is refused and left as it was")
    func foreignFile() throws {
        try withFolder { folder in
            let text = Array(
                "This is a diary and no database at all, and it is long enough for a header. ".utf8)
            let diary = text + text
            try Files.replace("\(folder)/state.db", with: diary)
            #expect(refusal { _ = try StateStore.openForWriting(folder: folder) } == .foreign)
            #expect(try Files.read("\(folder)/state.db") == diary)
        }
    }

    @Test("A damaged state says so and what to do")
    func damaged() throws {
        try withFolder { folder in
            do {
                let store = try StateStore.openForWriting(folder: folder)
                try store.commit(
                    (0..<500).map {
                        StoreChange("key/\($0)", .put(Array(repeating: 7, count: 200)))
                    })
                #expect(try store.damage().isEmpty)
            }
            var bytes = try Files.read("\(folder)/state.db")
            // All pages but the first, which holds the schema.
            for index in 4096..<bytes.count { bytes[index] = 0x55 }
            try Files.replace("\(folder)/state.db", with: bytes)
            #expect {
                let store = try StateStore.openForWriting(folder: folder)
                _ = try store.list("key/")
            } throws: { error in
                let error = error as? StoreError
                return error?.code == .corrupt && error?.hint.contains("backup") == true
            }
        }
    }

    @Test(
        "A key that is empty, too long or not printable ASCII is refused",
        arguments: ["", String(repeating: "k", count: 513), "tab\there", "naïve", "new\nline", " "])
    func badKeys(key: String) throws {
        try withFolder { folder in
            let store = try StateStore.openForWriting(folder: folder)
            #expect(refusal { try store.put(key, [1]) } == .invalidKey)
            #expect(refusal { try MemoryStore().put(key, [1]) } == .invalidKey)
        }
    }
}
