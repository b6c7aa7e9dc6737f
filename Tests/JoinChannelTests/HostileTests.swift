import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import Testing

@Suite("Strangers at the door cannot hold up the true node", .serialized)
struct HostileTests {
    @Test("a crowd that says nothing is let go, the oldest first, and the node gets in at once")
    func slowCrowd() throws {
        var limits = JoinListener.Limits()
        limits.handshakes = 16
        limits.fromOneAddress = 8
        let door = try Door(limits: limits)
        var crowd: [Int32] = []
        defer { for number in crowd { close(number) } }
        for _ in 0..<64 { crowd.append(try door.knock().release()) }
        // A few bytes now and then do not keep a place.
        for number in crowd { _ = try? IO.writeAll(number, [0x16]) }
        let began = Clocks.monotonic()
        _ = try door.dial(timeout: 5)
        #expect(Clocks.monotonic() - began < 5)
        #expect(door.wait { $0.admitted.count == 1 && $0.refused.count >= 56 })
        #expect(
            Set(door.now.refused.map(\.error.code)).isSubset(of: [.timeout, .hungUp, .garbled]))
    }

    @Test("whoever has begun and says no more is let go in time")
    func slowLoris() throws {
        var limits = JoinListener.Limits()
        limits.patience = 0.3
        let door = try Door(limits: limits)
        let slow = try door.knock()
        // A record header that promises 512 bytes, and then a byte at a time.
        for byte in [0x16, 0x03, 0x01, 0x02, 0x00, 0x01] as [UInt8] {
            try IO.writeAll(slow.number, [byte])
            Clocks.sleep(0.02)
        }
        #expect(door.wait { $0.refused.map(\.error.code) == [.timeout] })
        #expect(try IO.wait(slow.number, milliseconds: 5000))
        _ = try door.dial()
    }

    @Test(
        "noise is not TLS, and ends at once",
        arguments: [
            Array("GET / HTTP/1.1\r\n\r\n".utf8), Array("SSH-2.0-x\r\n".utf8),
            [UInt8](repeating: 0, count: 4096), [UInt8](repeating: 0xff, count: 70_000),
            // A record that claims to be larger than any may be.
            [0x16, 0x03, 0x01, 0xff, 0xff] + [UInt8](repeating: 1, count: 1000),
        ])
    func noise(_ bytes: [UInt8]) throws {
        let door = try Door()
        let stranger = try door.knock()
        _ = try? IO.writeAll(stranger.number, bytes)
        #expect(door.wait { $0.refused.count == 1 })
        #expect([.garbled, .refused, .hungUp].contains(door.now.refused.first?.error.code))
        _ = try door.dial()
        #expect(door.wait { $0.admitted.count == 1 })
    }

    @Test("the node's own first message, changed anywhere, opens nothing")
    func mutatedHello() throws {
        let hello = try Self.recordHello()
        #expect(hello.count > 150)
        let door = try Door()
        var generator = SystemRandomNumberGenerator()
        for round in 0..<300 {
            var bytes = hello
            for _ in 0...round % 4 {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch round % 3 {
                case 0: bytes[place] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
                }
            }
            let stranger = try door.knock()
            _ = try? IO.writeAll(stranger.number, bytes)
            shutdown(stranger.number, Int32(SHUT_WR))
        }
        #expect(door.wait { $0.refused.count >= 300 })
        // Played back as it was it opens nothing either: the answer needs the node's half of the exchange.
        let replay = try door.knock()
        try IO.writeAll(replay.number, hello)
        shutdown(replay.number, Int32(SHUT_WR))
        #expect(door.wait { $0.refused.count >= 301 })
        #expect(door.now.admitted.isEmpty)
        _ = try door.dial()
        #expect(door.wait { $0.admitted.count == 1 })
    }

    @Test(
        "a client of an older TLS, or one without a key, is not let in",
        arguments: [
            ["-tls1_2"], ["-tls1_3"], ["-tls1_3", "-psk", "0707"],
        ])
    func otherClients(_ options: [String]) throws {
        let door = try Door()
        let client = try Child.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:\(door.port)"] + options, timeout: 20)
        #expect(!client.status.isSuccess)
        #expect(door.wait { $0.refused.count == 1 })
        #expect(door.now.admitted.isEmpty)
    }

    @Test("a connection that is handed over shakes hands like one of its own")
    func offered() throws {
        let door = try Door()
        let other = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        let port = JoinSockets.port(of: other.number)
        let dialling = try Worker("dial") {
            _ = try? JoinDialler().dial(
                "127.0.0.1", port: port, as: Array("nas".utf8), key: PlainKey(7), timeout: 10)
        }
        #expect(try IO.wait(other.number, milliseconds: 5000))
        let taken = try #require(try JoinSockets.accept(other.number))
        door.listener.offer(Descriptor(owning: taken.number), from: "far away")
        dialling.join()
        #expect(door.wait { $0.admitted.map(\.peer) == ["far away"] })
    }

    @Test(
        "a crowd from one IPv6 /64 takes nobody else's place, though each is an address of its own")
    func wideCrowd() throws {
        var limits = JoinListener.Limits()
        limits.handshakes = 16
        let door = try Door(limits: limits)
        var ends: [Int32] = []
        defer { for number in ends { close(number) } }
        ends.append(try door.offer(from: "198.51.100.7").release())
        for number in 0..<64 {
            ends.append(try door.offer(from: "2001:db8:0:1:\(number)::1").release())
        }
        #expect(door.wait { $0.refused.count >= 56 })
        #expect(door.now.refused.count == 56)
        #expect(door.now.refused.allSatisfy { $0.peer.hasPrefix("2001:db8:") })
    }

    @Test("who has shown the key keeps its place among more sources than there are places")
    func shownKey() throws {
        var limits = JoinListener.Limits()
        limits.handshakes = 4
        let hello = try Self.recordHello()
        let door = try Door(limits: limits)
        var ends: [Int32] = []
        defer { for number in ends { close(number) } }
        // As far as a first message, and then nothing for a while.
        let node = try door.offer(from: "198.51.100.7")
        try IO.writeAll(node.number, hello)
        #expect(try IO.wait(node.number, milliseconds: 5000), "it is answered")
        for number in 0..<64 {
            ends.append(try door.offer(from: "192.0.2.\(number)").release())
        }
        #expect(door.wait { $0.refused.count >= 61 })
        #expect(door.now.refused.allSatisfy { $0.peer.hasPrefix("192.0.2.") })
        // All places taken by who has shown it: the newcomer goes.
        for number in 0..<3 {
            let other = try door.offer(from: "203.0.113.\(number)")
            try IO.writeAll(other.number, hello)
            #expect(try IO.wait(other.number, milliseconds: 5000))
            ends.append(other.release())
        }
        ends.append(try door.offer(from: "198.51.100.99").release())
        #expect(door.wait { $0.refused.last?.peer == "198.51.100.99" })
        #expect(!door.now.refused.contains { $0.peer == "198.51.100.7" })
        #expect(door.now.admitted.isEmpty, "a message that is played back opens nothing")
    }

    /// What a node says first, as somebody on the way would record it.
    private static func recordHello() throws -> [UInt8] {
        let socket = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        let port = JoinSockets.port(of: socket.number)
        let dialling = try Worker("dial") {
            _ = try? JoinDialler().dial(
                "127.0.0.1", port: port, as: Array("nas".utf8), key: PlainKey(7), timeout: 2)
        }
        _ = try IO.wait(socket.number, milliseconds: 5000)
        guard let taken = try JoinSockets.accept(socket.number) else { return [] }
        let connection = Descriptor(owning: taken.number)
        _ = try IO.wait(connection.number, milliseconds: 5000)
        let bytes = try IO.read(connection.number)
        shutdown(connection.number, Int32(SHUT_RDWR))
        dialling.join()
        return bytes
    }
}
