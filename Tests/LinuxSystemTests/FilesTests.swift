import Glibc
import LinuxSystem
import Testing

@Suite("Files are whole, private and gone when they should be")
struct FilesTests {
    @Test("A replaced file has the new bytes, the mode asked for, and no leftovers beside it")
    func replaced() throws {
        try withFolder { folder in
            let path = "\(folder)/f"
            try Files.replace(path, with: [1, 2], mode: 0o640)
            try Files.replace(path, with: [3], mode: 0o600)
            #expect(try Files.read(path) == [3])
            #expect(Files.mode(path) == 0o600)
            #expect(try Files.list(folder) == ["f"])
            try Files.replace(path, with: [])
            #expect(try Files.read(path) == [])
        }
    }

    @Test("Many threads that replace one file never leave half of one")
    func racing() throws {
        try withFolder { folder in
            let path = "\(folder)/f"
            let outcomes = try fanOut(Array(0..<64), limit: 8, name: "replace") { number -> Bool in
                let bytes = [UInt8](repeating: UInt8(number), count: 20_000)
                do {
                    try Files.replace(path, with: bytes)
                    let found = try Files.read(path)
                    return found.count == 20_000 && Set(found).count == 1
                } catch { return false }
            }
            #expect(outcomes.allSatisfy { $0 })
            #expect(try Files.list(folder) == ["f"])
        }
    }

    @Test("A link in a file's place is replaced, and what it led to is left alone")
    func link() throws {
        try withFolder { folder in
            try Files.replace("\(folder)/target", with: [1])
            #expect(symlink("target", "\(folder)/link") == 0)
            try Files.replace("\(folder)/link", with: [2])
            #expect(try Files.read("\(folder)/target") == [1])
            #expect(try Files.read("\(folder)/link") == [2])
        }
    }

    @Test("What cannot be written is an error that names the path and leaves nothing")
    func failing() throws {
        try withFolder { folder in
            #expect(failure { try Files.replace("\(folder)/none/f", with: [1]) } == ENOENT)
            try Files.makeFolder("\(folder)/taken")
            #expect(failure { try Files.replace("\(folder)/taken", with: [1]) } == EISDIR)
            #expect(try Files.list(folder) == ["taken"])
            #expect(failure { _ = try Files.read(folder) } == EISDIR)
            #expect(failure { _ = try Files.read("\(folder)/none") } == ENOENT)
            #expect(throws: SystemError("open", "\(folder)/none", errno: ENOENT)) {
                try Files.read("\(folder)/none")
            }
        }
    }

    @Test("A file above the limit is refused, one at it is read")
    func limit() throws {
        try withFolder { folder in
            let path = "\(folder)/f"
            try Files.replace(path, with: [UInt8](repeating: 1, count: 100_000))
            #expect(try Files.read(path, limit: 100_000).count == 100_000)
            #expect(failure { _ = try Files.read(path, limit: 99_999) } == EFBIG)
            #expect(failure { _ = try Files.read("/dev/zero", limit: 1 << 20) } == EFBIG)
        }
    }

    @Test("A missing file is nil where that is asked for, and other failures stay failures")
    func present() throws {
        try withFolder { folder in
            try Files.replace("\(folder)/f", with: [1])
            #expect(try Files.readIfPresent("\(folder)/f") == [1])
            #expect(try Files.readIfPresent("\(folder)/none") == nil)
            #expect(failure { _ = try Files.readIfPresent("\(folder)/f/deeper") } == ENOTDIR)
        }
    }

    @Test("Folders are made with their parents, with the mode asked for, and once")
    func folders() throws {
        try withFolder { folder in
            let path = "\(folder)/a/b/c"
            try Files.makeFolder(path, mode: 0o770)
            try Files.makeFolder(path, mode: 0o700)
            #expect(Files.mode(path) == 0o770)
            #expect(Files.mode("\(folder)/a") == 0o770)
            #expect(Files.isFolder(path) && !Files.isFolder("\(folder)/none"))
            try Files.replace("\(folder)/file", with: [])
            #expect(failure { try Files.makeFolder("\(folder)/file") } == EEXIST)
            #expect(failure { try Files.makeFolder("\(folder)/file/x") } != nil)
            #expect(failure { try Files.makeFolder("") } == ENOENT)
        }
    }

    @Test("A folder that many threads make at once is made")
    func racingFolders() throws {
        try withFolder { folder in
            let made = try fanOut(Array(0..<16), limit: 8, name: "mkdir") { number in
                (try? Files.makeFolder("\(folder)/x/y/z\(number % 2)")) != nil
            }
            #expect(made.allSatisfy { $0 })
        }
    }

    @Test(
        "A wiped file's bytes are overwritten before its name goes",
        arguments: [1, 65_536, 200_001])
    func wiped(count: Int) throws {
        try withFolder { folder in
            let path = "\(folder)/secret"
            try Files.replace(path, with: [UInt8](repeating: 0x73, count: count))
            // A second name for the same bytes shows what became of them.
            #expect(Glibc.link(path, "\(folder)/other") == 0)
            let first = try Files.wipe(path)
            let second = try Files.wipe(path)
            #expect(first && !second)
            #expect(try Files.read("\(folder)/other") == [UInt8](repeating: 0, count: count))
        }
    }

    @Test("Wiping a link removes the link and leaves what it led to")
    func wipedLink() throws {
        try withFolder { folder in
            try Files.replace("\(folder)/target", with: [1])
            #expect(symlink("target", "\(folder)/link") == 0)
            try Files.wipe("\(folder)/link")
            #expect(try Files.list(folder) == ["target"])
            #expect(try Files.read("\(folder)/target") == [1])
        }
    }

    @Test("A removed tree is gone, and what its links led to is not")
    func tree() throws {
        try withFolder { folder in
            try Files.makeFolder("\(folder)/tree/deep/er")
            try Files.replace("\(folder)/tree/deep/f", with: [1])
            try Files.makeFolder("\(folder)/outside")
            try Files.replace("\(folder)/outside/f", with: [1])
            #expect(symlink("../outside", "\(folder)/tree/link") == 0)
            try Files.removeTree("\(folder)/tree")
            try Files.removeTree("\(folder)/tree")
            #expect(try Files.list(folder) == ["outside"])
            #expect(try Files.list("\(folder)/outside") == ["f"])
            #expect(failure { try Files.removeTree("\(folder)/outside/f/x") } == ENOTDIR)
        }
    }

    @Test("A folder's names are all there, sorted, of every length")
    func listed() throws {
        try withFolder { folder in
            let names = (1...255).map { String(repeating: "n", count: $0) }
            for name in names { try Files.replace("\(folder)/\(name.prefix(230))", with: []) }
            #expect(try Files.list(folder) == names.prefix(230).map { $0 })
            #expect(try Files.remove("\(folder)/n"))
            #expect(try !Files.remove("\(folder)/n"))
            #expect(failure { _ = try Files.list("\(folder)/none") } == ENOENT)
        }
    }

    @Test(
        "The folder of a path is what stands before its last slash",
        arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b", "a"), ("/", "/"), ("", ".")])
    func folderOfPath(path: String, folder: String) {
        #expect(Files.folder(of: path) == folder)
    }

    @Test("A dangling link is there, and is no folder")
    func dangling() throws {
        try withFolder { folder in
            #expect(symlink("nowhere", "\(folder)/link") == 0)
            #expect(Files.exists("\(folder)/link"))
            #expect(!Files.isFolder("\(folder)/link"))
            #expect(!Files.exists("\(folder)/none"))
            #expect(Files.mode("\(folder)/none") == nil)
        }
    }
}
