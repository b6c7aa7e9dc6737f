import Glibc
import LinuxSystem
import MeshModel
@testable import SSHTunnel
import Testing

@Suite("A tunnel carries connections as they are")
struct TunnelTests {
    @Test("Bytes come back as they were sent, from several connections at once")
    func integrity() throws {
        let rig = try TunnelRig()
        let port = rig.port
        let failures = try fanOut(Array(1...8), limit: 8, name: "app") { number -> String? in
            do {
                let bytes = pattern(3_000_000 + number * 7_919, seed: UInt64(number))
                return try TestSocket(port: port).exchange(bytes) == bytes ? nil : "differs"
            } catch { return "\(error)" }
        }
        #expect(failures.compactMap { $0 } == [])
        let status = try rig.awaitStatus("closed") { $0.connections == 0 }
        let total = (1...8).reduce(0) { $0 + 3_000_000 + $1 * 7_919 }
        #expect(status.sent == UInt64(total) && status.received == UInt64(total))
        #expect(status.accepted == 8)
        #expect(status.reconnects == 0 && status.lastError == nil)
        #expect(status.listening == rig.desired.entrances)
    }

    @Test("What was negotiated is modern, and told")
    func algorithms() throws {
        let rig = try TunnelRig()
        let facts = try #require(rig.tunnel.status().algorithms)
        #expect(
            ["mlkem768x25519-sha256", "sntrup761x25519-sha512", "curve25519-sha256"].contains {
                facts.keyExchange.hasPrefix($0)
            })
        #expect(
            ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"].contains(facts.cipherOut))
        #expect(facts.cipherIn == facts.cipherOut)
        #expect(facts.macIn == "implicit" && facts.macOut == "implicit")
        #expect(facts.hostKey == rig.desired.hostKeys[0])
    }

    @Test("A half-close is passed on both ways")
    func halfClose() throws {
        let rig = try TunnelRig(service: .count)
        let socket = try rig.connect()
        try socket.send(pattern(100_000, seed: 1))
        socket.endSending()
        #expect(String(decoding: try socket.receiveAll(), as: UTF8.self) == "100000")
        // The service ends first: what it sent arrives whole, then the end.
        let source = try TunnelRig(service: .source(2_000_000))
        let reader = try source.connect()
        #expect(try reader.receiveAll() == pattern(2_000_000, seed: 7))
        reader.endSending()
        try source.awaitStatus("closed") { $0.connections == 0 }
    }

    @Test("A reader that does not read holds up nobody else, and loses nothing")
    func slowReader() throws {
        let rig = try TunnelRig(service: .source(16 << 20))
        let slow = try rig.connect()
        #expect(try slow.receive(1) == [pattern(1, seed: 7)[0]])
        for _ in 0..<3 {
            #expect(try rig.connect().receiveAll() == pattern(16 << 20, seed: 7))
        }
        #expect(try slow.receiveAll() == Array(pattern(16 << 20, seed: 7).dropFirst()))
    }

    @Test(
        "Unix sockets work at both ends; the entrance is its owner's alone and goes with the tunnel"
    )
    func unixSockets() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/in"
        let rig = try TunnelRig(unixTarget: true, entrances: [.unix(path)])
        #expect(Files.mode(path) == 0o600)
        let bytes = pattern(1_000_000, seed: 3)
        #expect(try TestSocket(path: path).exchange(bytes) == bytes)
        rig.tunnel.stop(drain: 0)
        #expect(!Files.exists(path))
    }

    @Test("IPv6 loopback is an entrance like another")
    func ipv6() throws {
        let loopback = try #require(IPAddress("::1"))
        let port = try TestServer.freePort()
        let ends = [
            TunnelEnd.tcp(try TunnelRig.loopback(port)), .tcp(SocketEndpoint(loopback, port)),
        ]
        let rig = try TunnelRig(entrances: ends)
        let bytes = pattern(10_000, seed: 4)
        #expect(try rig.connect().exchange(bytes) == bytes)
        // A host without IPv6 has one entrance less, and the tunnel is up all the same.
        if rig.tunnel.status().listening.count == 2 {
            #expect(try TestSocket(port: port, host: loopback).exchange(bytes) == bytes)
        }
    }

    @Test(
        "Keys are made anew in the middle of traffic, at the server's wish, and nothing is lost",
        arguments: ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"])
    func rekeying(cipher: String) throws {
        let rig = try TunnelRig(extra: "RekeyLimit 2M\nCiphers \(cipher)")
        let port = rig.port
        let failures = try fanOut(Array(1...4), limit: 4, name: "app") { number -> String? in
            do {
                let bytes = pattern(12 << 20, seed: UInt64(number))
                return try TestSocket(port: port).exchange(bytes) == bytes ? nil : "differs"
            } catch { return "\(error)" }
        }
        #expect(failures.compactMap { $0 } == [])
        #expect(rig.tunnel.status().reconnects == 0)
    }

    @Test("1,000 connections are open at the same time")
    func thousand() throws {
        // Application, tunnel, and the service twice over are one process here; sshd is another.
        var limit = rlimit()
        try check("getrlimit") { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
        limit.rlim_cur = limit.rlim_max
        try check("setrlimit") { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
        let rig = try TunnelRig()
        var sockets: [TestSocket] = []
        for number in 0..<1000 {
            let socket = try rig.connect()
            try socket.send([UInt8(number & 255), UInt8(number >> 8)])
            sockets.append(socket)
        }
        for (number, socket) in sockets.enumerated() {
            #expect(try socket.receive(2) == [UInt8(number & 255), UInt8(number >> 8)])
        }
        #expect(rig.tunnel.status().connections == 1000)
        sockets = []
        try rig.awaitStatus("closed") { $0.connections == 0 }
    }
}

/// A folder that goes with its owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/meshproof-tunnel-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? Files.removeTree(path) }
}
