import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe
import Synchronization
import Testing

@Suite("A probe of a user is put by that user", .serialized)
struct UserTests {
    private static let program =
        getenv("MESHPROOF_BIN").map { String(cString: $0) } ?? ".build/debug/meshproof"
    /// `nobody`, and a user that has no name.
    private static let users: [UInt32] = [65_534, 54_321]

    private func order(
        _ index: Int, _ end: TunnelEnd, _ question: ProbeOrder.Question, user: UInt32?
    ) -> ProbeOrder {
        ProbeOrder(
            id: "\(index)", edge: nil, purpose: .edge, target: end, question: question,
            canary: testCanary, user: user, timeout: 20)
    }

    /// Who owns the socket at the other end of an accepted one. *Source:* proc(5), /proc/net/tcp.
    private static func owner(of caller: Int32) -> UInt32? {
        var name = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutableBytes(of: &name) {
            getpeername(caller, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard code == 0, let bytes = try? Files.read("/proc/net/tcp") else { return nil }
        let port = String(UInt16(bigEndian: name.sin_port), radix: 16, uppercase: true)
        let wanted = ":" + String(repeating: "0", count: 4 - port.count) + port
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            // State 01 is ESTABLISHED.
            if fields.count > 7, fields[1].hasSuffix(wanted), fields[3] == "01" {
                return UInt32(fields[7])
            }
        }
        return nil
    }

    @Test("the kernel says that the connection is the user's", .enabled(if: getuid() == 0))
    func owners() throws {
        let seen = Mutex<[UInt32: Int]>([:])
        let server = try TinyServer { caller in
            let owner = Self.owner(of: caller) ?? 999_999
            seen.withLock { $0[owner, default: 0] += 1 }
            _ = TinyServer.read(caller)
            _ = TinyServer.send(caller, Array("HTTP/1.0 200 OK\r\n\r\n".utf8))
        }
        var orders: [ProbeOrder] = []
        for user in [nil] + Self.users.map(Optional.some) {
            for _ in 0..<2 {
                orders.append(
                    order(orders.count, server.end, .http(path: "/", tls: nil), user: user))
            }
        }
        let facts = ProbeRunner.run(orders, vantage: "a", program: Self.program)
        #expect(facts.map(\.order) == orders)
        #expect(facts.allSatisfy { $0.outcome == .answered }, "\(facts.map(\.message))")
        #expect(seen.withLock { $0 } == [0: 2, 65_534: 2, 54_321: 2])
    }

    @Test(
        "files that only root reads are read before root is given up", .enabled(if: getuid() == 0))
    func files() throws {
        let authority = try TestAuthority.shared.get()
        let server = try authority.server("-Verify", "2", "-verify_return_error")
        // The openssl program makes its keys with mode 600.
        let key = "\(authority.folder.path)/client.key"
        try #require(Files.mode(key) == 0o600)
        let facts = ProbeRunner.run(
            [
                order(
                    0, loopback(server.port), .tls(authority.rules(client: "client")), user: 65_534)
            ],
            vantage: "a", tlsFolder: authority.folder.path, program: Self.program)
        #expect(facts.map(\.outcome) == [.answered], "\(facts.map(\.message))")
    }

    @Test("a user cannot do what the caller can", .enabled(if: getuid() == 0))
    func permanence() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/socket"
        let server = try TinyServer(unixPath: path) { _ in }
        chmod(path, 0o600)
        let facts = ProbeRunner.run(
            [nil, 65_534].map { order(0, server.end, .connect, user: $0) }, vantage: "a",
            program: Self.program)
        #expect(facts.map(\.outcome) == [.answered, .refused], "\(facts.map(\.message))")
    }

    @Test("what cannot be put as a user is told, in its place", .enabled(if: getuid() == 0))
    func trouble() throws {
        let server = try TinyServer { _ in }
        let orders = [
            order(0, server.end, .connect, user: nil), order(1, server.end, .knock, user: 65_534),
            order(2, server.end, .connect, user: 65_534),
        ]
        let facts = ProbeRunner.run(orders, vantage: "a", program: "/bin/false")
        #expect(facts.map(\.outcome) == [.answered, .failed, .failed])
        #expect(facts[1].message.contains("by root"))
        #expect(facts[2].message.contains("65534"))
    }

    @Test("without root there is no other user", .enabled(if: getuid() != 0))
    func unprivileged() throws {
        let facts = ProbeRunner.run(
            [order(0, loopback(1), .connect, user: geteuid() + 1)], vantage: "a")
        #expect(facts.map(\.outcome) == [.failed])
    }
}
