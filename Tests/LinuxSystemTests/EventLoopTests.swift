import LinuxSystem
import Testing

@Suite("An event loop tells which descriptor is ready for what")
struct EventLoopTests {
    @Test("Only what is ready is told, by its token")
    func ready() throws {
        let loop = try EventLoop()
        let one = try IO.pipe()
        let other = try IO.pipe()
        try loop.add(one.reader.number, token: 1)
        try loop.add(other.reader.number, token: .max)
        #expect(try loop.wait(milliseconds: 0).isEmpty)
        try IO.writeAll(other.writer.number, [1])
        let events = try loop.wait(milliseconds: 1000)
        #expect(events.map(\.token) == [.max])
        #expect(events.allSatisfy { $0.readable && !$0.writable && !$0.closed })
        // Level-triggered: what is not read is told again.
        #expect(try loop.wait(milliseconds: 0).count == 1)
        withExtendedLifetime(one) {}
    }

    @Test("The end of the other side is told as closed")
    func hangup() throws {
        let loop = try EventLoop()
        let (reader, writer) = try IO.pipe().split()
        let end = Descriptor(owning: reader)
        try loop.add(end.number, token: 3)
        do { _ = Descriptor(owning: writer) }
        let events = try loop.wait(milliseconds: 1000)
        #expect(events.map(\.token) == [3])
        #expect(events.map(\.closed) == [true])
    }

    @Test("What is watched can be changed and ended")
    func changed() throws {
        let loop = try EventLoop()
        let pipe = try IO.pipe()
        try loop.add(pipe.writer.number, token: 1, reading: false, writing: true)
        #expect(try loop.wait(milliseconds: 0).map(\.writable) == [true])
        try loop.modify(pipe.writer.number, token: 2, reading: false, writing: false)
        #expect(try loop.wait(milliseconds: 0).isEmpty)
        try loop.modify(pipe.writer.number, token: 2, reading: false, writing: true)
        #expect(try loop.wait(milliseconds: 0).map(\.token) == [2])
        loop.remove(pipe.writer.number)
        loop.remove(pipe.writer.number)
        #expect(try loop.wait(milliseconds: 0).isEmpty)
    }

    @Test("More descriptors than one round tells are all told in turn")
    func many() throws {
        let loop = try EventLoop()
        var ends: [(reader: Int32, writer: Int32)] = []
        for token in 0..<150 {
            let pipe = try IO.pipe().split()
            ends.append(pipe)
            try IO.writeAll(pipe.writer, [1])
            try loop.add(pipe.reader, token: UInt64(token))
        }
        var seen: Set<UInt64> = []
        while true {
            let events = try loop.wait(milliseconds: 0)
            if events.isEmpty { break }
            for event in events {
                seen.insert(event.token)
                _ = try IO.read(ends[Int(event.token)].reader)
            }
        }
        #expect(seen.count == 150)
        for end in ends {
            for number in [end.reader, end.writer] { _ = Descriptor(owning: number) }
        }
    }

    @Test("A file that cannot be watched, or is watched already, is an error")
    func refused() throws {
        let loop = try EventLoop()
        let pipe = try IO.pipe()
        try loop.add(pipe.reader.number, token: 1)
        #expect(failure { try loop.add(pipe.reader.number, token: 1) } != nil)
        #expect(failure { try loop.add(-1, token: 1) } != nil)
        #expect(
            failure { try loop.modify(pipe.writer.number, token: 1, reading: true, writing: false) }
                != nil)
    }
}
