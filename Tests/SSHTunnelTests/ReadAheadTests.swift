import CReadAhead
import CSSH
import Glibc
import LinuxSystem
import Testing

@Suite("Bytes that are read ahead of libssh come as they were sent")
struct ReadAheadTests {
    @Test("8 MiB in pieces of every size, read in pieces of every size")
    func stream() throws {
        let pair = try Pair(capacity: 64 << 10)
        let sent = pattern(8 << 20, seed: 5)
        let there = pair.there
        let writer = try Worker("writer") {
            var (done, piece) = (0, 1)
            while done < sent.count {
                let count = min(sent.count - done, piece)
                guard (try? IO.writeAll(there.number, Array(sent[done..<done + count]))) != nil
                else { return }
                done += count
                piece = piece * 7 % 150_001 + 1
            }
            shutdown(there.number, Int32(SHUT_WR))
        }
        defer { writer.join() }
        var received: [UInt8] = []
        received.reserveCapacity(sent.count)
        var size = 1
        read: while true {
            while read_ahead_pending(pair.ahead) != 0 {
                if pair.poll(POLLIN) == 0 { continue }
                var buffer = [UInt8](repeating: 0, count: size)
                let count = recv(pair.here, &buffer, buffer.count, 0)
                if count <= 0 {
                    #expect(count == 0)
                    break read
                }
                received += buffer.prefix(count)
                size = size * 5 % 4096 + 1
            }
            let events = try pair.events.wait(milliseconds: 30_000)
            guard let event = events.first else {
                Issue.record("nothing came after \(received.count) bytes")
                return
            }
            if event.readable || event.ended { read_ahead_arrived(pair.ahead, event.ended ? 1 : 0) }
        }
        #expect(received == sent)
        // Far fewer looks at the socket than libssh's own 4 KiB would take.
        #expect(read_ahead_fills(pair.ahead) < UInt64(sent.count / 2048))
    }

    @Test("An end that was told of together with the last bytes is found after them")
    func end() throws {
        let pair = try Pair(capacity: 4096)
        try IO.writeAll(pair.there.number, [1, 2, 3])
        shutdown(pair.there.number, Int32(SHUT_WR))
        let event = try #require(try pair.events.wait(milliseconds: 30_000).first)
        #expect(event.ended)
        read_ahead_arrived(pair.ahead, 1)
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(pair.poll(POLLIN) == POLLIN)
        #expect(recv(pair.here, &bytes, 10, 0) == 3)
        #expect(bytes.prefix(3) == [1, 2, 3])
        #expect(read_ahead_pending(pair.ahead) != 0)
        #expect(pair.poll(POLLIN) == POLLIN)
        #expect(recv(pair.here, &bytes, 10, 0) == 0)
        #expect(read_ahead_pending(pair.ahead) == 0)
    }

    @Test("A reset is told once the bytes before it are taken, with its errno")
    func reset() throws {
        let pair = try Pair(capacity: 4096)
        try IO.writeAll(pair.there.number, [1, 2])
        // Taken off the socket before the reset throws them away.
        #expect(pair.poll(POLLIN) == POLLIN)
        // A unix socket is reset by closing it over unread bytes.
        try IO.writeAll(pair.here, [9])
        pair.closeThere()
        read_ahead_arrived(pair.ahead, 1)
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(recv(pair.here, &bytes, 10, 0) == 2)
        #expect(pair.poll(POLLIN) == POLLIN)
        #expect(recv(pair.here, &bytes, 10, 0) == -1)
        #expect(errno == ECONNRESET)
    }

    @Test("A full socket takes nothing, says so instead of failing, and gets its room back")
    func full() throws {
        let pair = try Pair(capacity: 4096)
        let block = pattern(300_000, seed: 9)
        var sent = 0
        while true {
            let count = send(pair.here, block, block.count, 0)
            #expect(count >= 0)
            sent += max(0, count)
            if count < block.count { break }
        }
        #expect(send(pair.here, block, 1000, 0) == 0)
        #expect(pair.poll(POLLOUT) == 0)
        try IO.writeAll(pair.there.number, [1])
        #expect(pair.poll(POLLIN | POLLOUT) == POLLIN)
        var left = sent
        while left > 0 { left -= try IO.read(pair.there.number, limit: left).count }
        // Room is found although there is a byte to be read as well, which for libssh would come first for ever.
        #expect(pair.poll(POLLIN | POLLOUT) == POLLIN | POLLOUT)
        #expect(send(pair.here, block, 1000, 0) == 1000)
    }

    @Test("Nothing to read is no byte, and a wait ends when one comes")
    func waits() throws {
        let pair = try Pair(capacity: 4096)
        #expect(pair.poll(POLLIN) == 0)
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(recv(pair.here, &bytes, 10, 0) == -1)
        #expect(errno == EAGAIN)
        let there = pair.there
        let writer = try Worker("writer") { try? IO.writeAll(there.number, [4]) }
        #expect(pair.poll(POLLIN, milliseconds: 30_000) == POLLIN)
        writer.join()
        #expect(recv(pair.here, &bytes, 10, 0) == 1)
        #expect(bytes[0] == 4)
    }

    @Test("Other descriptors and other threads are served by the kernel alone")
    func others() throws {
        let pair = try Pair(capacity: 4096)
        let other = try Pair(capacity: nil)
        try IO.writeAll(other.there.number, [1, 2, 3])
        try IO.writeAll(pair.there.number, [4, 5])
        #expect(pair.poll(POLLIN) == POLLIN)
        var bytes = [UInt8](repeating: 0, count: 10)
        #expect(other.poll(POLLIN) == POLLIN)
        #expect(recv(other.here, &bytes, 2, 0) == 2)
        #expect(recv(other.here, &bytes, 10, Int32(MSG_DONTWAIT)) == 1)
        #expect(other.poll(POLLIN) == 0)
        // The two bytes are in this thread's buffer: for another thread the socket is empty.
        let here = pair.here
        let stranger = try Worker("stranger") {
            var bytes = [UInt8](repeating: 0, count: 10)
            #expect(recv(here, &bytes, 10, Int32(MSG_DONTWAIT)) == -1)
            #expect(errno == EAGAIN)
            var entry = pollfd(fd: here, events: Int16(POLLIN), revents: 0)
            #expect(poll(&entry, 1, 0) == 0)
        }
        stranger.join()
        #expect(recv(pair.here, &bytes, 10, 0) == 2)
        #expect(bytes.prefix(2) == [4, 5])
    }

    @Test("Where a number is in use again, the later socket's buffer counts")
    func reused() throws {
        let old = try Pair(capacity: 4096)
        try IO.writeAll(old.there.number, [1])
        #expect(old.poll(POLLIN) == POLLIN)
        let new = try Pair(capacity: nil)
        dup2(new.here, old.here)
        let ahead = try #require(read_ahead_open(old.here, 4096))
        try IO.writeAll(new.there.number, [2])
        var byte: [UInt8] = [0]
        #expect(old.poll(POLLIN) == POLLIN)
        #expect(recv(old.here, &byte, 1, 0) == 1)
        #expect(byte == [2])
        read_ahead_close(ahead)
    }

    @Test("libssh's own calls come through the buffer")
    func library() throws {
        let server = try TestServer()
        defer { server.stop() }
        let socket = try TestSocket(port: server.port)
        // libssh's own number for it: it closes what it is given.
        var number = try check("dup") { dup(socket.number) }
        let ahead = try #require(read_ahead_open(number, 64 << 10))
        defer { read_ahead_close(ahead) }
        let session = try #require(ssh_new())
        defer { ssh_free(session) }
        var readConfiguration: CBool = false
        ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &readConfiguration)
        ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1")
        ssh_options_set(session, SSH_OPTIONS_USER, "nobody")
        ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null")
        ssh_options_set(session, SSH_OPTIONS_FD, &number)
        // A banner, a key exchange and a refused login: nothing of it waits for an edge.
        #expect(ssh_connect(session) == SSH_OK)
        #expect(ssh_userauth_none(session, nil) != SSH_AUTH_SUCCESS.rawValue)
        #expect(read_ahead_fills(ahead) >= 3)
        // Only a socket that it thinks to have made itself does libssh close.
        number = -1
        ssh_options_set(session, SSH_OPTIONS_FD, &number)
        ssh_disconnect(session)
    }
}

/// Two ends of a stream: one that is read ahead and watched for edges, and the other.
private final class Pair {
    let here: Int32
    let there: TestSocket
    let events: EventLoop
    private let buffer: OpaquePointer?

    var ahead: OpaquePointer? { buffer }

    init(capacity: Int?) throws {
        var numbers: [Int32] = [-1, -1]
        try check("socketpair") {
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &numbers)
        }
        here = numbers[0]
        there = TestSocket(owning: numbers[1])
        events = try EventLoop()
        _ = fcntl(here, F_SETFL, O_NONBLOCK)
        try events.addEdges(here, token: 1)
        buffer = capacity.flatMap { read_ahead_open(numbers[0], $0) }
    }

    deinit {
        if let buffer { read_ahead_close(buffer) }
        close(here)
    }

    /// Closes the other end's file, and leaves its number to something else.
    func closeThere() { dup2(here, there.number) }

    /// The events that poll(2) finds, as libssh asks for them.
    func poll(_ events: Int32, milliseconds: Int32 = 0) -> Int32 {
        var entry = pollfd(fd: here, events: Int16(events), revents: 0)
        let count = Glibc.poll(&entry, 1, milliseconds)
        return count == 1 ? Int32(entry.revents) : 0
    }
}
