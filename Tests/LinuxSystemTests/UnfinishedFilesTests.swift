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

    @Test("One of this process id's, from before a restart, is in nobody's way")
    func sameName() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            for number in 0..<2_000 { try put("\(path).\(getpid()).\(number).new") }
            try Files.replace(path, with: [2])
            #expect(try Files.list(folder) == ["key"])
            #expect(try Files.read(path) == [2])
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

    private static let secret = [UInt8](repeating: 0x73, count: 3_000)

    private func put(_ path: String) throws {
        let file = Descriptor(owning: open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
        try IO.writeAll(file.number, Self.secret)
    }
}
