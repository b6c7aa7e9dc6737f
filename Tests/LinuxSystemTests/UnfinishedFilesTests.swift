import Glibc
import LinuxSystem
import Testing

@Suite("What a killed replacement left goes with the file it was for")
struct UnfinishedFilesTests {
    @Test("It is overwritten, and its name goes", arguments: ["replace", "remove", "wipe"])
    func wiped(deed: String) throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            let new = "\(path).4711.3.new"
            try put(new)
            // Shows what becomes of the bytes once they have no name.
            let bytes = Descriptor(owning: open(new, O_RDONLY | O_CLOEXEC))
            switch deed {
            case "replace": try Files.replace(path, with: [2])
            // The file itself was not there yet when its first writer was killed.
            case "remove": #expect(try !Files.remove(path))
            default: #expect(try !Files.wipe(path))
            }
            #expect(try Files.list(folder) == (deed == "replace" ? ["key"] : []))
            #expect(try IO.read(bytes.number) == [UInt8](repeating: 0, count: 3_000))
        }
    }

    @Test("Names that are taken are in nobody's way, whoever has taken them")
    func takenNames() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try put("\(folder)/target")
            // Other tests make files meanwhile: more names than they can use up.
            let next = try #require(nextNumber(folder))
            for number in next..<(next + 300) {
                #expect(symlink("target", "\(path).\(getpid()).\(number).new") == 0)
            }
            try Files.replace(path, with: [2])
            #expect(try Files.read(path) == [2])
            #expect(try Files.read("\(folder)/target") == Self.secret)
        }
    }

    /// The number that the next new file of this process has in its name; a failure tells it.
    private func nextNumber(_ folder: String) -> Int? {
        do {
            try Files.replace("\(folder)/none/f", with: [1])
            return nil
        } catch {
            return error.subject.split(separator: ".").dropLast().last.flatMap { Int($0) }.map {
                $0 + 1
            }
        }
    }

    @Test("What is still being written stays, until its writer has ended")
    func living() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            let new = "\(path).4711.3.new"
            try put(new)
            do {
                let writer = Descriptor(owning: open(new, O_WRONLY | O_CLOEXEC))
                #expect(flock(writer.number, LOCK_EX) == 0)
                try Files.replace(path, with: [2])
                #expect(try Files.read(new) == Self.secret)
            }
            try Files.remove(path)
            #expect(try Files.list(folder).isEmpty)
        }
    }

    @Test(
        "Files of other names stay",
        arguments: [
            "key.new", "key.1.new", "key.1.2.3.new", "key.a.1.new", "key..1.new", "key.1..new",
            "key.1.2.newer", "key2.1.2.new", "akey.1.2.new", "key.-1.2.new", "key.1.2.new.new",
        ])
    func others(name: String) throws {
        try withFolder { folder in
            try put("\(folder)/\(name)")
            try Files.replace("\(folder)/key", with: [2])
            try Files.remove("\(folder)/key")
            #expect(try Files.list(folder) == [name])
            #expect(try Files.read("\(folder)/\(name)") == Self.secret)
        }
    }

    @Test("What somebody else put under such a name leads to nothing of ours")
    func traps() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try put("\(folder)/target")
            #expect(symlink("target", "\(path).1.1.new") == 0)
            #expect(Glibc.link("\(folder)/target", "\(path).1.2.new") == 0)
            #expect(mkfifo("\(path).1.3.new", 0o600) == 0)
            try Files.makeFolder("\(path).1.4.new")
            try Files.replace(path, with: [2])
            #expect(try Files.read("\(folder)/target") == Self.secret)
            #expect(try Files.list(folder).count == 6)
        }
    }

    @Test(
        "What cannot be overwritten keeps its name, and whoever wipes is told",
        .enabled(
            if: UnfinishedFilesTests.canFreeze, "needs root, and a file system with attributes"))
    func stubborn() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try put("\(path).4711.3.new")
            // A file that can only be appended to.
            #expect(Self.chattr("+a", "\(path).4711.3.new"))
            defer { _ = Self.chattr("-a", "\(path).4711.3.new") }
            try Files.replace(path, with: [2])
            #expect(failure { try Files.wipe(path) } == EPERM)
            #expect(try Files.list(folder) == ["key.4711.3.new"])
        }
    }

    private static func chattr(_ change: String, _ path: String) -> Bool {
        (try? Child.run(["chattr", change, path]))?.status.isSuccess == true
    }

    private static let canFreeze = {
        let probe: Bool? = try? withFolder { folder in
            try Files.touch("\(folder)/probe")
            defer { _ = chattr("-a", "\(folder)/probe") }
            return chattr("+a", "\(folder)/probe")
        }
        return probe == true
    }()

    private static let secret = [UInt8](repeating: 0x73, count: 3_000)

    private func put(_ path: String) throws {
        let file = Descriptor(owning: open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
        try IO.writeAll(file.number, Self.secret)
    }
}
