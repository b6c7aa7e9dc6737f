import LinuxSystem
import MeshModel
import Netlink
import Synchronization
import TestSupport
import Testing

/// A kernel that keeps requests, and answers each with what `body` makes of it and the end of the dump.
private final class Answers: Sendable {
    private let kept = Mutex<[[UInt8]]>([])
    var requests: [[UInt8]] { kept.withLock { $0 } }

    func connection(_ body: @escaping @Sendable ([UInt8]) -> Result<[UInt8], Refusal>)
        -> NetlinkConnection
    {
        NetlinkConnection { () throws(SystemError) -> any NetlinkTransport in
            FunctionTransport(port: testPort) { [self] request in
                kept.withLock { $0.append(request) }
                switch body(request) {
                case .success(let messages):
                    return [.success(messages + done(sequence: request.sequence))]
                case .failure(let refusal):
                    return [
                        .success(acknowledgement(refusal.errno, sequence: request.sequence))
                    ]
                }
            }
        }
    }

    struct Refusal: Error { let errno: Int32 }
}

@Suite("Sockets as sock_diag tells them")
struct DiagTests {
    /// A reply of sock_diag, field by field.
    static func reply(
        family: UInt8 = 2, state: UInt8 = 10, ports: [UInt8] = [0x15, 0x38, 0, 0],
        source: [UInt8] = [127, 0, 0, 1], destination: [UInt8] = [], user: UInt8 = 0,
        inode: UInt8 = 9, sequence: UInt32, _ attributes: (inout NetlinkWriter) -> Void = { _ in }
    ) -> [UInt8] {
        func padded(_ bytes: [UInt8]) -> [UInt8] {
            bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
        }
        return message(20, flags: 2, sequence: sequence) { writer in
            let body =
                field([family, state, 0, 0], "family, state, timer, retransmissions")
                + field(ports, "source and destination port, in network order")
                + field(padded(source), "source") + field(padded(destination), "destination")
                + field([3, 0, 0, 0], "interface 3") + field([1, 0, 0, 0, 2, 0, 0, 0], "cookie")
                + field([UInt8](repeating: 0, count: 12), "expiry and queues")
                + field([user, 0, 0, 0], "user") + field([inode, 0, 0, 0], "inode")
            for byte in body { writer.append(byte) }
            attributes(&writer)
        }
    }

    @Test("What is asked: every protocol, both families, states that are not over")
    func requests() throws {
        let kernel = Answers()
        let diagnosis = DiagConnection(connection: kernel.connection { _ in .success([]) })
        #expect(try diagnosis.sockets().isEmpty)
        let asked = kernel.requests.map { Array($0[16..<24]) }
        // All but TIME_WAIT (6) and CLOSE (7), of the states 1 to 12.
        let connections: [UInt8] = [0x3e, 0x1f, 0, 0]
        let datagrams: [UInt8] = [0x82, 0, 0, 0]
        #expect(
            asked == [
                [2, 255, 0, 0] + connections, [10, 255, 0, 0] + connections,
                [2, 6, 0, 0] + connections, [10, 6, 0, 0] + connections,
                [2, 17, 0, 0] + datagrams, [10, 17, 0, 0] + datagrams,
            ])
        let golden =
            field([80, 0, 0, 0, 20, 0], "length 80, SOCK_DIAG_BY_FAMILY")
            + field([1, 3], "NLM_F_REQUEST | NLM_F_DUMP")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field(
                [2, 255, 0, 0], "AF_INET, IPPROTO_RAW stands for what follows, extensions, padding")
            + field(connections, "states")
            + field([UInt8](repeating: 0, count: 48), "any ports, addresses, interface and cookie")
            + field([8, 0, 3, 0, 6, 1, 0, 0], "INET_DIAG_REQ_PROTOCOL IPPROTO_MPTCP (262)")
        #expect(hex(kernel.requests.first ?? []) == hex(golden))
    }

    @Test("A listener, a socket of both families, and one with a mark")
    func replies() throws {
        let kernel = Answers()
        let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]
        let connection = kernel.connection { request in
            let sequence = request.sequence
            switch (request[16], request[17]) {
            case (2, 6): return .success(Self.reply(sequence: sequence))
            case (10, 6):
                let any = Self.reply(family: 10, source: [], sequence: sequence) {
                    $0.put(11, UInt8(1))
                }
                let flow = Self.reply(
                    family: 10, state: 1, ports: [0x15, 0x38, 0xd4, 0x31],
                    source: mapped + [192, 0, 2, 1], destination: mapped + [192, 0, 2, 9],
                    user: 33, sequence: sequence
                ) { $0.put(15, UInt32(7)) }
                return .success(any + flow)
            default: return .success([])
            }
        }
        let sockets = try DiagConnection(connection: connection).sockets()
        try #require(sockets.count == 3)
        #expect(sockets[0].local == SocketEndpoint("127.0.0.1:5432"))
        #expect(sockets[0].isListening && sockets[0].remote == nil)
        #expect(sockets[0].inode == 9 && sockets[0].interfaceIndex == 3)
        #expect(sockets[1].local == SocketEndpoint("[::]:5432") && sockets[1].isIPv6Only)
        #expect(sockets[2].local == SocketEndpoint("192.0.2.1:5432"))
        #expect(sockets[2].remote == SocketEndpoint("192.0.2.9:54321"))
        #expect(sockets[2].user == 33 && sockets[2].mark == 7 && !sockets[2].isListening)
    }

    @Test("What asks for a connection is told from one that stands, and what nobody has is over")
    func states() throws {
        let kernel = Answers()
        let connection = kernel.connection { request in
            guard (request[16], request[17]) == (2, 6) else { return .success([]) }
            func socket(_ state: UInt8, inode: UInt8) -> [UInt8] {
                Self.reply(
                    state: state, ports: [0xd4, state, 0x1f, 0x90], destination: [192, 0, 2, 9],
                    inode: inode, sequence: request.sequence)
            }
            return .success(
                [1, 2, 3, 5, 12].flatMap { socket($0, inode: 9) }
                    + [4, 5, 9].flatMap { socket($0, inode: 0) })
        }
        let found = try DiagConnection(connection: connection).sockets()
        #expect(found.map(\.state) == [1, 2, 3, 5, 12, 4, 9])
        #expect(found.filter(\.isConnecting).map(\.state) == [2, 3, 12])
    }

    @Test("An MPTCP socket's own part is told once, another's listener beside it too")
    func parts() throws {
        let connection = Answers().connection { request in
            let sequence = request.sequence
            switch (request[16], request[17]) {
            case (2, 255): return .success(Self.reply(inode: 5, sequence: sequence))
            case (2, 6):
                return .success(
                    Self.reply(inode: 5, sequence: sequence)
                        + Self.reply(inode: 0, sequence: sequence)
                        + Self.reply(inode: 6, sequence: sequence))
            default: return .success([])
            }
        }
        let sockets = try DiagConnection(connection: connection).sockets()
        #expect(sockets.map(\.kind) == [.tcp, .mptcp])
        #expect(sockets.map(\.inode) == [6, 5])
    }

    @Test(
        "A kernel without MPTCP or IPv6 has no such sockets; one that cannot tell of TCP is no empty one"
    )
    func absent() throws {
        let some = Answers().connection { request in
            if request[16] == 10 || request[17] == 255 { return .failure(.init(errno: 2)) }
            return .success(Self.reply(sequence: request.sequence))
        }
        #expect(try DiagConnection(connection: some).sockets().map(\.kind) == [.tcp, .udp])
        let none = Answers().connection { _ in .failure(.init(errno: 2)) }
        #expect(throws: NetlinkError.self) { try DiagConnection(connection: none).sockets() }
        let denied = Answers().connection { _ in .failure(.init(errno: 1)) }
        #expect(throws: NetlinkError.self) { try DiagConnection(connection: denied).sockets() }
    }

    @Test("A message that ends too soon is refused")
    func short() throws {
        let connection = Answers().connection { request in
            .success(message(20, sequence: request.sequence) { $0.append(UInt32(2)) })
        }
        #expect(throws: NetlinkError.self) { try DiagConnection(connection: connection).sockets() }
    }

    @Test("Unix listeners, with and without a file")
    func unix() throws {
        @Sendable func reply(_ state: UInt8, _ name: [UInt8], _ sequence: UInt32) -> [UInt8] {
            message(20, flags: 2, sequence: sequence) { writer in
                for byte in [1, 1, state, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as [UInt8] {
                    writer.append(byte)
                }
                name.withUnsafeBytes { writer.put(0, $0) }
            }
        }
        let kernel = Answers()
        let connection = kernel.connection { request in
            .success(
                reply(10, Array("/run/x\0".utf8), request.sequence)
                    + reply(10, [0] + Array("hidden".utf8), request.sequence)
                    + reply(1, Array("/run/connected".utf8), request.sequence)
                    + reply(10, [], request.sequence))
        }
        let found = try DiagConnection(connection: connection).unixListeners()
        #expect(found.map(\.path) == ["/run/x", "@hidden"])
        #expect(found.map(\.inode) == [7, 7])
        let golden =
            field([1, 0, 0, 0], "AF_UNIX, protocol, padding")
            + field([0, 4, 0, 0], "states: LISTEN") + field([0, 0, 0, 0], "any inode")
            + field([1, 0, 0, 0], "UDIAG_SHOW_NAME")
            + field([0, 0, 0, 0, 0, 0, 0, 0], "any cookie")
        #expect(hex(Array(kernel.requests.first?.dropFirst(16) ?? [])) == hex(golden))
    }
}

@Suite("Tracked connections, traffic control and MPTCP endpoints as netlink messages")
struct TrackingTests {
    private static func tuple(
        _ writer: inout NetlinkWriter, _ type: UInt16, _ source: String, _ destination: String,
        _ ports: (UInt16, UInt16)
    ) {
        writer.nested(type) { tuple in
            tuple.nested(1) { part in
                if let address = IPAddress(source) {
                    part.put(address.family == .ipv4 ? 1 : 3, address)
                }
                if let address = IPAddress(destination) {
                    part.put(address.family == .ipv4 ? 2 : 4, address)
                }
            }
            tuple.nested(2) { part in
                part.put(1, UInt8(6))
                part.put(2, ports.0.bigEndian)
                part.put(3, ports.1.bigEndian)
            }
        }
    }

    private static func entry(_ sequence: UInt32, _ answers: String) -> [UInt8] {
        message(0x100, flags: 2, sequence: sequence) { writer in
            writer.append(UInt32(2))
            tuple(&writer, 1, "10.77.0.1", "10.77.0.2", (40_000, 8080))
            tuple(&writer, 2, answers, "10.77.0.1", (8080, 40_000))
        }
    }

    @Test("Both tuples of a connection, and what is rewritten first")
    func tracked() throws {
        let kernel = Answers()
        let connection = kernel.connection { request in
            let plain = Self.entry(request.sequence, "10.77.0.2")
            return .success(plain + plain + Self.entry(request.sequence, "192.0.2.2"))
        }
        let (found, isComplete) = try TrackingConnection(connection: connection).connections(
            limit: 2
        ) { _ in true }
        #expect(!isComplete && found.count == 2)
        #expect(found.map(\.isTranslated) == [true, false])
        #expect(found.first?.replySource == SocketEndpoint("192.0.2.2:8080"))
        #expect(found.first?.source == SocketEndpoint("10.77.0.1:40000"))
        let golden =
            field([20, 0, 0, 0, 1, 1], "length 20, NFNL_SUBSYS_CTNETLINK | IPCTNL_MSG_CT_GET")
            + field([1, 3, 1, 0, 0, 0, 0, 0, 0, 0], "NLM_F_REQUEST | NLM_F_DUMP, sequence, port")
            + field([0, 0, 0, 0], "both families, version, resource")
        #expect(hex(kernel.requests.first ?? []) == hex(golden))
    }

    @Test("A refusal is none of an absence")
    func denied() throws {
        let connection = Answers().connection { _ in .failure(.init(errno: 1)) }
        #expect(throws: NetlinkError.self) {
            try TrackingConnection(connection: connection).connections(limit: 1) { _ in true }
        }
    }

    @Test("A filter's actions are found in whatever attribute they are")
    func filter() throws {
        let connection = Answers().connection { request in
            let sequence = request.sequence
            switch request.uint16(4) {
            case 38:
                return .success(
                    message(36, flags: 2, sequence: sequence) { writer in
                        for word in [0, 3, 0xffff_0000, 0xffff_fff1, 0] as [UInt32] {
                            writer.append(word)
                        }
                        writer.put(1, "clsact")
                    })
            case 46 where request.uint32(28) == 0xffff_fff3:
                return .success(
                    message(44, flags: 2, sequence: sequence) { writer in
                        for word in [0, 3, 1, 0xffff_fff3, 0] as [UInt32] { writer.append(word) }
                        writer.put(1, "novel")
                        writer.nested(2) { options in
                            options.putZeros(1, size: 16)
                            options.nested(77) { list in
                                list.nested(1) { action in
                                    action.put(1, "mirred")
                                    action.nested(2) { inner in
                                        let mark = inner.begin(2)
                                        for word in [0, 0, 4, 1, 1, 2, 5] as [UInt32] {
                                            inner.append(word)
                                        }
                                        inner.end(mark)
                                    }
                                }
                                list.nested(2) { $0.put(1, "gact") }
                            }
                        }
                    })
            default: return .success([])
            }
        }
        let filters = try RouteSocket(connection: connection).trafficFilters()
        try #require(filters.count == 1)
        #expect(filters[0].kind == "novel" && filters[0].hook == "egress")
        #expect(filters[0].actions.map(\.kind) == ["mirred", "gact"])
        #expect(
            filters[0].actions.first?.mirror
                == TrafficFilter.Mirror(isRedirect: false, isIngress: false, interfaceIndex: 5))
    }

    @Test(
        "A link's hardware address and XDP program; what a rule is limited to in ways that are not read"
    )
    func linkAndRule() throws {
        let connection = Answers().connection { request in
            let sequence = request.sequence
            if request.uint16(4) == 18 {
                return .success(
                    message(16, flags: 2, sequence: sequence) { writer in
                        for word in [0, 3, 1, 0] as [UInt32] { writer.append(word) }
                        let address: [UInt8] = [2, 0, 0x5e, 0, 0, 0x1f]
                        address.withUnsafeBytes { writer.put(1, $0) }
                        writer.nested(43) { xdp in
                            xdp.put(2, UInt8(2))
                            xdp.put(4, UInt32(12))
                        }
                    })
            }
            if request[16] == 10 { return .success([]) }
            return .success(
                message(32, flags: 2, sequence: sequence) { writer in
                    for byte in [2, 0, 0, 0x10, 100, 0, 0, 1, 0, 0, 0, 0] as [UInt8] {
                        writer.append(byte)
                    }
                    writer.put(6, UInt32(5))
                    writer.put(25, UInt8(3))
                    writer.put(19, UInt8(1))
                    writer.put(28, UInt16(0xff00))
                    writer.put(29, UInt16.max)
                })
        }
        let socket = RouteSocket(connection: connection)
        let link = try #require(try socket.links().first)
        #expect(link.hardware == "02:00:5e:00:00:1f" && link.xdpProgram == 12)
        let rule = try #require(try socket.rules().first)
        #expect(rule.typeOfService == 0x10 && rule.unread == [25, 28] && rule.isByMaster)
    }
}
