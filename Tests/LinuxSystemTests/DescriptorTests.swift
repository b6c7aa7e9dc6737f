import Glibc
import LinuxSystem
import Testing

@Suite("A descriptor has one owner")
struct DescriptorTests {
    /// Whether the other end of a pipe is still open shows whether its owner closed it.
    @Test("It is closed when its owner goes")
    func closed() throws {
        let (reader, writer) = try IO.pipe().split()
        let end = Descriptor(owning: reader)
        do {
            let owner = Descriptor(owning: writer)
            #expect(try IO.wait(end.number, milliseconds: 0) == false)
            _ = owner.number
        }
        #expect(try IO.read(end.number).isEmpty)
    }

    @Test("Released, it is the caller's and stays open")
    func released() throws {
        let pipe = try IO.pipe()
        let (reader, writer) = pipe.split()
        let number = Descriptor(owning: writer).release()
        try IO.writeAll(number, [5])
        #expect(try IO.read(reader) == [5])
        close(number)
        close(reader)
    }

    @Test("A duplicate is the same file, closes for itself and does not pass to children")
    func duplicate() throws {
        let pipe = try IO.pipe()
        let copy = try pipe.writer.duplicate()
        try IO.writeAll(copy.number, [1])
        #expect(try IO.read(pipe.reader.number) == [1])
        #expect(copy.number != pipe.writer.number)
        let flags = try String(
            decoding: Files.read("/proc/self/fdinfo/\(copy.number)"), as: UTF8.self)
        // O_CLOEXEC is octal 02000000.
        #expect(flags.contains("flags:\t02000001"))
        let nothing = Descriptor(owning: -1)
        #expect(failure { _ = try nothing.duplicate() } == EBADF)
    }

    @Test(
        "All bytes are written, also where the other side is slow and the descriptor does not wait")
    func writeAll() throws {
        let (reader, writer) = try IO.pipe().split()
        #expect(fcntl(writer, F_SETFL, O_NONBLOCK) == 0)
        let bytes = [UInt8]((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 / 3) })
        let worker = try Worker("writer") {
            try? IO.writeAll(writer, bytes)
            close(writer)
        }
        var found: [UInt8] = []
        while true {
            let chunk = try IO.read(reader, limit: 1000)
            if chunk.isEmpty { break }
            #expect(chunk.count <= 1000)
            found += chunk
        }
        worker.join()
        close(reader)
        #expect(found == bytes)
    }

    @Test("Writing nothing does nothing, whatever the descriptor")
    func writeNothing() throws {
        try IO.writeAll(-1, [UInt8]())
        #expect(failure { try IO.writeAll(-1, [1]) } == EBADF)
        #expect(failure { _ = try IO.read(-1) } == EBADF)
    }

    @Test("A full socket takes what fits, goes on from there, and a broken one is told")
    func sendsNow() throws {
        var ends: [Int32] = [0, 0]
        try #require(
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        defer { close(ends[0]) }
        #expect(IO.sendNow(ends[0], []) == 0)
        let bytes = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var found: [UInt8] = []
        var (sent, turns) = (0, 0)
        while found.count < bytes.count {
            sent += try #require(IO.sendNow(ends[0], bytes, from: sent))
            turns += 1
            while let chunk = try? IO.read(ends[1], limit: 65_536), !chunk.isEmpty {
                found += chunk
            }
        }
        #expect(sent == bytes.count && found == bytes && turns > 1, "it was full in between")
        close(ends[1])
        #expect(IO.sendNow(ends[0], [1]) == nil)
    }

    @Test("Waiting tells room and data from none")
    func waiting() throws {
        let pipe = try IO.pipe()
        #expect(try !IO.wait(pipe.reader.number, milliseconds: 0))
        #expect(try IO.wait(pipe.writer.number, for: .writing, milliseconds: 0))
        try IO.writeAll(pipe.writer.number, [1])
        #expect(try IO.wait(pipe.reader.number, milliseconds: 0))
    }
}
