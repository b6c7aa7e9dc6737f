import Glibc
import LinuxSystem
import MeshModel
import Netlink
import Synchronization
import TestSupport
import Testing

@Suite("A netlink exchange")
struct ConnectionTests {
    private static func link(_ index: Int32, _ sequence: UInt32, flags: UInt16 = NetlinkFlags.multi)
        -> [UInt8]
    {
        message(16, flags: flags, sequence: sequence) { writer in
            writer.append(UInt32(0))
            writer.append(index)
            writer.append(UInt32(1))
            writer.append(UInt32(0))
            writer.put(3, "eth\(index)")
            writer.nested(18) { $0.put(1, "veth") }
            writer.put(27, UInt32(0x6d70))
            writer.put(4, UInt32(1500))
        }
    }

    @Test("passes over messages of other requests and other sockets")
    func foreign() throws {
        let socket = routeSocket { request in
            let mine = request.sequence
            let stray = Self.link(1, mine &- 1)
            var other = Self.link(2, mine)
            other.set32(12, testPort + 1)
            return [
                .success(acknowledgement(EPERM, sequence: mine &+ 5)),
                .success(stray + other + Self.link(3, mine)),
                .success(done(sequence: mine)),
            ]
        }
        let links = try socket.links()
        #expect(
            links == [
                Link(index: 3, name: "eth3", kind: "veth", group: 0x6d70, mtu: 1500, isUp: true)
            ])
    }

    @Test("reads an interrupted dump again, from nothing")
    func interrupted() throws {
        let rounds = Mutex(0)
        let socket = routeSocket { request in
            let round = rounds.withLock { round in
                round += 1
                return round
            }
            let flags = NetlinkFlags.multi | (round < 3 ? NetlinkFlags.dumpInterrupted : 0)
            return [
                .success(Self.link(Int32(round), request.sequence)),
                .success(done(flags: flags, sequence: request.sequence)),
            ]
        }
        #expect(try socket.links().map(\.index) == [3])
    }

    @Test("gives up on a dump that is interrupted each time")
    func alwaysInterrupted() throws {
        let socket = routeSocket { request in
            [
                .success(
                    done(
                        flags: NetlinkFlags.multi | NetlinkFlags.dumpInterrupted,
                        sequence: request.sequence))
            ]
        }
        let error = #expect(throws: NetlinkError.self) { try socket.links() }
        #expect(error?.code == .interrupted)
    }

    @Test("begins again where the kernel dropped messages of a dump")
    func overrun() throws {
        let rounds = Mutex(0)
        let socket = routeSocket { request in
            let isFirst = rounds.withLock { round in
                round += 1
                return round == 1
            }
            if isFirst { return [.failure(SystemError("receive", "", errno: ENOBUFS))] }
            return [.success(Self.link(1, request.sequence) + done(sequence: request.sequence))]
        }
        #expect(try socket.links().count == 1)
    }

    @Test("tries an interrupted call again")
    func signals() throws {
        let socket = routeSocket { request in
            let stop = Datagram.failure(SystemError("receive", "", errno: EINTR))
            return [
                stop, .success(Self.link(1, request.sequence)), stop, stop,
                .success(done(sequence: request.sequence)),
            ]
        }
        #expect(try socket.links().count == 1)
    }

    @Test("makes its buffer larger for a datagram that did not fit")
    func truncated() throws {
        let sizes = Mutex<[Int]>([])
        let socket = routeSocket { request in
            // 200,000 bytes of links in one datagram: larger than the first buffer, and than the second.
            let bytes = (0..<3000).flatMap { Self.link(Int32($0), request.sequence) }
            sizes.withLock { $0.append(bytes.count) }
            return [.success(bytes), .success(done(sequence: request.sequence))]
        }
        #expect(try socket.links().count == 3000)
        #expect(sizes.withLock { $0.count } > 1)
    }

    @Test("refuses a datagram beyond all bounds")
    func tooLarge() throws {
        let socket = routeSocket { _ in [.failure(SystemError("receive", "", errno: ENOSPC))] }
        let error = #expect(throws: NetlinkError.self) { try socket.links() }
        #expect(error?.code == .truncated)
    }

    @Test("says that no answer came, and opens a new transport for the next request")
    func timeout() throws {
        let opened = Mutex(0)
        let connection = NetlinkConnection { () throws(SystemError) -> any NetlinkTransport in
            let round = opened.withLock { count in
                count += 1
                return count
            }
            return FunctionTransport(port: testPort) { request in
                round == 1
                    ? []
                    : [.success(Self.link(1, request.sequence) + done(sequence: request.sequence))]
            }
        }
        let socket = RouteSocket(connection: connection)
        let error = #expect(throws: NetlinkError.self) { try socket.links() }
        #expect(error?.code == .timeout)
        #expect(try socket.links().count == 1)
        #expect(try socket.links().count == 1)
        #expect(opened.withLock { $0 } == 2)
    }

    @Test("carries the kernel's own words to the caller")
    func kernelText() throws {
        let socket = routeSocket { request in
            [
                .success(
                    acknowledgement(
                        EOPNOTSUPP, sequence: request.sequence, text: "Unknown device type"))
            ]
        }
        let error = #expect(throws: NetlinkError.self) {
            try socket.createLink(name: "wg0", kind: "wireguard", group: 1)
        }
        #expect(error?.code == .unsupported)
        #expect(error?.text == "Unknown device type")
        #expect("\(try #require(error))".contains("Unknown device type"))
    }

    @Test("takes the error at the end of a dump for the dump's")
    func dumpError() throws {
        let socket = routeSocket { request in [.success(done(EPERM, sequence: request.sequence))] }
        let error = #expect(throws: NetlinkError.self) { try socket.links() }
        #expect(error?.code == .denied)
    }

    @Test(
        "refuses replies that make no sense",
        arguments: [
            [], [1, 2, 3], [UInt8](repeating: 0, count: 16), [UInt8](repeating: 0xff, count: 64),
        ] as [[UInt8]])
    func nonsense(_ bytes: [UInt8]) throws {
        let socket = routeSocket { _ in [.success(bytes)] }
        let error = #expect(throws: NetlinkError.self) { try socket.links() }
        #expect(error?.code == .malformed)
    }

    @Test("does not listen to strangers for ever")
    func endlessStrangers() throws {
        let socket = routeSocket { _ in
            let stray = (0..<100).flatMap { _ in acknowledgement(sequence: 77) }
            return [Datagram](repeating: .success(stray), count: 200)
        }
        let error = #expect(throws: NetlinkError.self) { try socket.links() }
        #expect(error?.code == .malformed)
    }

    @Test(
        "takes what is gone already, or there already, for done",
        arguments: [ENODEV, ESRCH, ENOENT, EADDRNOTAVAIL])
    func idempotent(_ code: Int32) throws {
        let socket = routeSocket { request in
            [.success(acknowledgement(code, sequence: request.sequence))]
        }
        let prefix = try #require(IPPrefix("10.0.0.1/32"))
        try socket.deleteLink(index: 4)
        try socket.removeAddress(index: 4, prefix)
        try socket.removeRoute(Route(destination: prefix, routeProtocol: 1))
        try socket.removeRule(Rule(family: .ipv4, priority: 4, action: .nothing))
        #expect(try socket.link(named: "nothing") == nil)
        let existing = routeSocket { request in
            [.success(acknowledgement(EEXIST, sequence: request.sequence))]
        }
        try existing.addAddress(index: 4, prefix)
        try existing.addRule(Rule(family: .ipv4, priority: 4, action: .nothing))
    }
}
