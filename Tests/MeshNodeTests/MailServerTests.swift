import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Testing

@Suite("The thread that serves mail", .serialized)
struct MailServerTests {
    private let server: MailServer
    private let place: SocketEndpoint
    private static let mail = [UInt8](repeating: 3, count: 300_000)

    /// Two peers, told apart by where on loopback they come from.
    init() throws {
        server = try MailServer()
        let port = UInt16.random(in: 20_000...50_000)
        place = try #require(SocketEndpoint("127.0.0.9:\(port)"))
        server.follow(
            MailTable(
                places: [MailPlace(place, interface: nil)],
                peers: [
                    try #require(IPAddress("127.0.0.1")): "gpu",
                    try #require(IPAddress("127.0.0.2")): "edge",
                ], waiting: ["gpu": Mailbox.Waiting(revision: 5, sealed: Self.mail)]))
        // It listens a moment after it is told to.
        var isUp = false
        for _ in 0..<500 where !isUp {
            isUp = (try? connect("127.0.0.3")) != nil
            if !isUp { Clocks.sleep(0.01) }
        }
        try #require(isUp)
    }

    private func connect(_ source: String) throws -> Descriptor {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let descriptor = Descriptor(owning: number)
        func name(
            _ address: IPAddress, _ port: UInt16,
            _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
        ) -> Int32 {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: address.bytes) }
            return withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        let from = try #require(IPAddress(source))
        try check("bind") { name(from, 0) { bind(number, $0, $1) } }
        try check("connect") { name(place.address, place.port) { Glibc.connect(number, $0, $1) } }
        return descriptor
    }

    private func ask(_ highest: UInt64) -> MailReply.Outcome {
        // It answers one peer five times a second.
        Clocks.sleep(0.25)
        return MailFetcher.ask(
            MailErrand(
                node: "server", places: [place], interface: nil,
                call: MailCall(highest: highest, inForce: highest, isSettling: false),
                confirming: nil))
    }

    /// What comes until the server hangs up, within `seconds`.
    private func rest(of socket: borrowing Descriptor, _ seconds: Double) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        let deadline = Clocks.monotonic() + seconds
        while Clocks.monotonic() < deadline {
            guard try IO.wait(socket.number, milliseconds: 200) else { continue }
            guard let chunk = try? IO.read(socket.number), !chunk.isEmpty else { return bytes }
            bytes += chunk
        }
        return nil
    }

    @Test("a peer gets what waits for it while it has nothing newer, and what it says is passed on")
    func answers() throws {
        #expect(ask(4) == .mail(Self.mail))
        #expect(ask(5) == .nothing)
        #expect(server.collect().calls["gpu"]?.highest == 5)
        // Another peer does not get it.
        let other = try connect("127.0.0.2")
        try IO.writeAll(other.number, MailCall(highest: 0, inForce: 0, isSettling: false).encoded)
        #expect(try rest(of: other, 4) == MailAnswer.head(0))
        server.stop()
    }

    @Test("a stranger is not answered, whatever it says")
    func strangers() throws {
        let stranger = try connect("127.0.0.3")
        try? IO.writeAll(
            stranger.number, MailCall(highest: 0, inForce: 0, isSettling: false).encoded)
        #expect(try rest(of: stranger, 4) == [])
        #expect(server.collect().calls.isEmpty)
        server.stop()
    }

    @Test(
        "garbage gets nothing, and a client that says nothing is gone after five seconds, while others are served"
    )
    func hostile() throws {
        for garbage in [
            [UInt8](repeating: 0, count: 32),
            Array("GET / HTTP/1.1\r\nHost: example\r\n\r\n\r\n".utf8),
            MailCall(highest: 0, inForce: 0, isSettling: false).encoded + [0],
        ] {
            Clocks.sleep(0.25)
            let client = try connect("127.0.0.2")
            try? IO.writeAll(client.number, garbage)
            #expect(try rest(of: client, 4) == [])
        }
        Clocks.sleep(0.25)
        let started = Clocks.monotonic()
        let silent = try connect("127.0.0.2")
        try IO.writeAll(silent.number, [109])
        Clocks.sleep(0.25)
        let other = try connect("127.0.0.2")
        Clocks.sleep(0.25)
        // The third of one peer is turned away, which another peer does not notice.
        let third = try connect("127.0.0.2")
        #expect(try rest(of: third, 2) == [])
        #expect(ask(4) == .mail(Self.mail))
        #expect(try rest(of: silent, 8) == [])
        #expect(try rest(of: other, 8) == [])
        #expect((4.0...7.5).contains(Clocks.monotonic() - started))
        server.stop()
    }

    @Test("a client that takes nothing of its answer is dropped, and holds nobody up")
    func deaf() throws {
        server.follow(
            MailTable(
                places: [MailPlace(place, interface: nil)],
                peers: [
                    try #require(IPAddress("127.0.0.1")): "gpu",
                    try #require(IPAddress("127.0.0.2")): "edge",
                ],
                waiting: [
                    "gpu": Mailbox.Waiting(revision: 5, sealed: Self.mail),
                    "edge": Mailbox.Waiting(
                        revision: 5, sealed: [UInt8](repeating: 1, count: MailContent.limit)),
                ]))
        let deaf = try connect("127.0.0.2")
        var small: Int32 = 4096
        setsockopt(deaf.number, SOL_SOCKET, SO_RCVBUF, &small, 4)
        try IO.writeAll(deaf.number, MailCall(highest: 0, inForce: 0, isSettling: false).encoded)
        #expect(ask(4) == .mail(Self.mail))
        #expect(ask(5) == .nothing)
        server.stop()
        // With the thread gone nobody is behind the port any more.
        guard case .silent = ask(4) else {
            Issue.record("answered after its end")
            return
        }
    }

    @Test(
        "an address that the host has not got yet can be listened at, and one that goes is let go")
    func freebind() throws {
        let future = try #require(SocketEndpoint("192.0.2.77:\(place.port)"))
        let six = try #require(SocketEndpoint("[2001:db8::77]:\(place.port)"))
        server.follow(
            MailTable(
                places: [future, six].map { MailPlace($0, interface: "lo") }, peers: [:],
                waiting: [:]))
        Clocks.sleep(0.3)
        #expect(server.collect().trouble == nil)
        #expect(throws: SystemError.self) { _ = try connect("127.0.0.1") }
        server.stop()
    }

    /// An interface besides loopback, which every machine but a bare namespace has.
    private static let otherInterface = ((try? Files.list("/sys/class/net")) ?? []).first {
        $0 != "lo" && if_nametoindex($0) != 0
    }

    @Test(
        "what is bound to one interface answers nobody who comes by another, and asks nobody there",
        .enabled(if: otherInterface != nil))
    func bound() throws {
        let other = try #require(Self.otherInterface)
        let peers = [try #require(IPAddress("127.0.0.1")): "gpu"]
        func ask(by interface: String) -> MailReply.Outcome {
            Clocks.sleep(0.3)
            return MailFetcher.ask(
                MailErrand(
                    node: "server", places: [place], interface: interface,
                    call: MailCall(highest: 0, inForce: 0, isSettling: false), confirming: nil))
        }
        server.follow(MailTable(places: [MailPlace(place, interface: "lo")], peers: peers))
        #expect(ask(by: "lo") == .nothing)
        if case .silent = ask(by: other) {} else { Issue.record("asked by \(other)") }
        server.follow(MailTable(places: [MailPlace(place, interface: other)], peers: peers))
        if case .silent = ask(by: "lo") {} else { Issue.record("answered by \(other)") }
        server.follow(MailTable(places: [MailPlace(place, interface: "none-such")], peers: peers))
        if case .silent = ask(by: "lo") {} else { Issue.record("answered by no interface") }
        #expect(server.collect().trouble == nil)
        server.stop()
    }
}
