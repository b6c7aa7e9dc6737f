import MeshModel
import Testing

@Suite("A TCP flow is what it begins like")
struct StreamTests {
    private typealias W = WireFrames

    /// A connection to a port of beta: its handshake, and then what each side says, in turn.
    private func connection(
        _ port: Int, client: [[UInt8]], server: [[UInt8]], from: Int = 40000, number: UInt32 = 1000
    ) -> [[UInt8]] {
        var (ours, theirs) = (number, number &+ 0xffff_ffff)
        func send(_ bytes: [UInt8], _ flags: UInt8) -> [UInt8] {
            defer { ours &+= UInt32(bytes.count) + (flags & 2 != 0 ? 1 : 0) }
            return W.ethernet(
                W.ipv4(
                    W.tcp(bytes, from, port, sequence: ours, acknowledged: theirs, flags: flags), 6)
            )
        }
        func answer(_ bytes: [UInt8], _ flags: UInt8) -> [UInt8] {
            defer { theirs &+= UInt32(bytes.count) + (flags & 2 != 0 ? 1 : 0) }
            return W.ethernet(
                W.ipv4(
                    W.tcp(bytes, port, from, sequence: theirs, acknowledged: ours, flags: flags), 6,
                    from: "192.0.2.2", to: "192.0.2.1"), from: W.beta, to: W.alpha)
        }
        var frames = [send([], 0x02), answer([], 0x12), send([], 0x10)]
        for index in 0..<max(client.count, server.count) {
            if index < client.count { frames.append(send(client[index], 0x18)) }
            if index < server.count { frames.append(answer(server[index], 0x18)) }
        }
        return frames
    }

    private static let ssh = Array("SSH-2.0-x\r\n".utf8)
    private static let hello: [UInt8] = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]
    private static let get = Array("GET / HTTP/1.1\r\n\r\n".utf8)
    private static let wantTLS: [UInt8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]

    @Test("SSH and TLS on their ports are what they are")
    func good() {
        #expect(kinds(connection(2222, client: [Self.ssh], server: [Self.ssh])) == ["tunnel"])
        #expect(kinds(connection(22, client: [Self.ssh], server: [Self.ssh])) == ["management"])
        #expect(kinds(connection(5432, client: [Self.hello], server: [Self.hello])) == ["tls"])
        #expect(
            kinds(connection(5432, client: [Self.hello], server: [[0x15, 3, 3, 0, 2]])) == ["tls"])
        let postgres = connection(
            5432, client: [Self.wantTLS, Self.hello], server: [[0x53], Self.hello])
        #expect(kinds(postgres) == ["tls"])
        #expect(kinds(connection(22, client: Self.ssh.map { [$0] }, server: [])) == ["management"])
        // Its beginning was not seen: the port has to do.
        #expect(kinds([W.ethernet(W.ipv4(W.tcp(Self.get, 4000, 22), 6))]) == ["management"])
    }

    @Test("TLS of an edge is told from a connection on its port of which nobody saw the beginning")
    func known() {
        func look(_ frames: [[UInt8]]) -> [WireFlow.Appearance] {
            examine(frames).flows.filter { $0.kind == .tls }.map(\.appearance)
        }
        let whole = connection(5432, client: [Self.hello], server: [Self.hello])
        #expect(look(whole) == [.tls])
        #expect(look(connection(5432, client: [], server: [])) == [.empty])
        #expect(look([W.ethernet(W.ipv4(W.tcp(Self.hello, 4000, 5432), 6))]) == [.clear])
    }

    @Test("clear text on their ports is undeclared, from either side, in one piece or several")
    func bad() {
        let clear = ["undeclared clear"]
        #expect(kinds(connection(2222, client: [Self.get], server: [])) == clear)
        #expect(kinds(connection(22, client: [Self.ssh], server: [Self.get])) == clear)
        #expect(kinds(connection(22, client: [Array("SS".utf8), Self.get], server: [])) == clear)
        #expect(kinds(connection(5432, client: [Self.get], server: [])) == clear)
        let plain = connection(
            5432, client: [Self.wantTLS, [0, 0, 0, 9, 0, 3, 0, 0, 0]], server: [[0x4e], [0x52]])
        #expect(kinds(plain) == clear)
        #expect(kinds(connection(22, client: [Self.hello], server: [])) == ["undeclared tls"])
        #expect(kinds(connection(5432, client: [Self.ssh], server: [])) == ["undeclared ssh"])
    }

    @Test("an undeclared port is told by how it begins; one whose beginning was not seen is clear")
    func undeclared() {
        #expect(kinds(connection(8080, client: [Self.get], server: [])) == ["undeclared clear"])
        #expect(
            kinds(connection(8443, client: [Self.hello], server: [Self.hello])) == [
                "undeclared tls"
            ])
        #expect(
            kinds(connection(2022, client: [Self.ssh], server: [Self.ssh])) == ["undeclared ssh"])
        #expect(kinds(connection(8080, client: [], server: [])) == ["undeclared empty"])
        #expect(
            kinds([W.ethernet(W.ipv4(W.tcp(Self.hello, 4000, 8443), 6))]) == ["undeclared clear"])
        #expect(
            examine(connection(8080, client: [Self.get], server: [])).flows.first?.summary
                == "HTTP GET")
    }

    @Test("a second connection of the same ports does not whitewash the first")
    func again() {
        let bad = connection(22, client: [Self.get], server: [])
        let good = connection(22, client: [Self.ssh], server: [Self.ssh], number: 5000)
        #expect(kinds(bad + good) == ["undeclared clear"])
        #expect(kinds(good + good.map { $0 }) == ["management"])
        let unseen = [W.ethernet(W.ipv4(W.tcp(Self.get, 40000, 8443), 6))]
        let fine = connection(8443, client: [Self.hello], server: [Self.hello], number: 5000)
        #expect(kinds(unseen + fine) == ["undeclared clear"])
    }

    @Test("a request that is refused, or stays without an answer, is an attempt; all else is more")
    func attempts() {
        func segment(_ flags: UInt8, _ payload: [UInt8] = [], isAnswer: Bool = false) -> [UInt8] {
            isAnswer
                ? W.ethernet(
                    W.ipv4(
                        W.tcp(payload, 8080, 40000, flags: flags), 6, from: "192.0.2.2",
                        to: "192.0.2.1"), from: W.beta, to: W.alpha)
                : W.ethernet(W.ipv4(W.tcp(payload, 40000, 8080, flags: flags), 6))
        }
        func isAttempt(_ frames: [[UInt8]]) -> Bool {
            let flows = examine(frames).flows
            #expect(flows.count == 1 && flows.first?.kind == .undeclared)
            return flows.first?.isAttempt ?? false
        }
        let (syn, ack, reset): (UInt8, UInt8, UInt8) = (0x02, 0x10, 0x14)
        #expect(isAttempt([segment(syn), segment(syn)]))
        #expect(isAttempt([segment(syn), segment(reset, isAnswer: true)]))
        #expect(!isAttempt([segment(syn), segment(syn | ack, isAnswer: true)]))
        // The answer may have come another way.
        #expect(!isAttempt([segment(syn), segment(ack)]))
        #expect(!isAttempt([segment(syn, Self.get)]), "text in the request itself")
        #expect(!isAttempt([segment(ack)]))
    }
}
