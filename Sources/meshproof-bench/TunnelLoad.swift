import Glibc
import LinuxSystem
import MeshModel

/// A plain TCP load: a service that takes, gives and echoes, and the clients for it. IPv4 only; loopback is enough.
enum TunnelLoad {
    /// Which way the bytes go.
    enum Direction: UInt8 {
        case up = 85
        case down = 68
        case echo = 69
    }

    private static let block = 256 << 10

    // MARK: The service

    /// Serves until standard input ends. The first nine bytes of a connection say what it wants and how much of it.
    static func serve(at place: SocketEndpoint) throws -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let listener = try socket()
        let number = listener.number
        var on: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        try check("bind", place.description) { with(place) { bind(number, $0, $1) } }
        try check("listen") { listen(number, 4096) }
        _ = try Worker("serve") {
            while true {
                let caller = accept(number, nil, nil)
                if caller < 0 { return }
                let job = try? Worker("serve", stackBytes: 128 << 10) {
                    answer(Descriptor(owning: caller))
                }
                if job == nil { close(caller) }
            }
        }
        try IO.writeAll(1, Array("serving\n".utf8))
        awaitEnd()
        return 0
    }

    private static func answer(_ caller: consuming Descriptor) {
        let number = caller.number
        quicken(number)
        var head = [UInt8](repeating: 0, count: 9)
        guard receive(number, &head, 9) else { return }
        let count = head[1...].reduce(0) { $0 << 8 | Int($1) }
        switch Direction(rawValue: head[0]) {
        case .up:
            take(number, count)
            give(number, 1)
        case .down: give(number, count)
        case .echo:
            var byte: [UInt8] = [0]
            while receive(number, &byte, 1) { guard write(number, byte, 1) == 1 else { return } }
        case nil: return
        }
    }

    // MARK: The clients

    /// Seconds from the first byte to the last of all streams.
    static func move(
        _ direction: Direction, at place: SocketEndpoint, bytes: Int, streams: Int
    ) throws -> Double {
        var sockets: [Int32] = []
        for _ in 0..<streams { sockets.append(try connect(place).release()) }
        let start = Clocks.monotonic()
        let done = try fanOut(sockets, limit: streams, name: "load") { number in
            defer { close(number) }
            guard ask(number, direction, bytes) else { return false }
            if direction == .up {
                var last: [UInt8] = [0]
                return give(number, bytes) && receive(number, &last, 1)
            }
            return take(number, bytes)
        }
        if done.contains(false) { throw SystemError("move", place.description, errno: EPIPE) }
        return Clocks.monotonic() - start
    }

    /// The median in microseconds.
    static func roundTrip(at place: SocketEndpoint, count: Int) throws -> Double {
        let socket = try connect(place)
        let number = socket.number
        guard ask(number, .echo, 0) else {
            throw SystemError("echo", place.description, errno: EPIPE)
        }
        var byte: [UInt8] = [1]
        var times: [Double] = []
        for round in 0..<count + count / 10 {
            let start = Clocks.monotonic()
            guard write(number, byte, 1) == 1, receive(number, &byte, 1) else {
                throw SystemError("echo", place.description, errno: EPIPE)
            }
            // The first of them warm up.
            if round >= count / 10 { times.append(Clocks.monotonic() - start) }
        }
        return times.sorted()[times.count / 2] * 1e6
    }

    /// Opens connections, has a byte echoed on each, and keeps them.
    static func hold(at place: SocketEndpoint, count: Int) throws -> Int32 {
        var sockets: [Int32] = []
        for _ in 0..<count {
            let number = try connect(place).release()
            var byte: [UInt8] = [1]
            guard ask(number, .echo, 0), write(number, byte, 1) == 1, receive(number, &byte, 1)
            else { throw SystemError("hold", place.description, errno: EPIPE) }
            sockets.append(number)
        }
        try IO.writeAll(1, Array("open\n".utf8))
        awaitEnd()
        for number in sockets { close(number) }
        return 0
    }

    /// Waits until standard input ends: whoever started us is done, or gone.
    static func awaitEnd() {
        while let bytes = try? IO.read(0), !bytes.isEmpty {}
    }

    // MARK: Bytes

    @discardableResult
    private static func give(_ number: Int32, _ count: Int) -> Bool {
        let bytes = [UInt8](repeating: 0x5a, count: min(block, count))
        var left = count
        while left > 0 {
            let sent = write(number, bytes, min(left, bytes.count))
            if sent <= 0 { return false }
            left -= sent
        }
        return true
    }

    @discardableResult
    private static func take(_ number: Int32, _ count: Int) -> Bool {
        var bytes = [UInt8](repeating: 0, count: block)
        var left = count
        while left > 0 {
            let got = read(number, &bytes, min(left, bytes.count))
            if got <= 0 { return false }
            left -= got
        }
        return true
    }

    private static func receive(_ number: Int32, _ bytes: inout [UInt8], _ count: Int) -> Bool {
        var got = 0
        while got < count {
            let more = bytes.withUnsafeMutableBytes {
                read(number, $0.baseAddress.map { $0 + got }, count - got)
            }
            if more <= 0 { return false }
            got += more
        }
        return true
    }

    private static func ask(_ number: Int32, _ direction: Direction, _ count: Int) -> Bool {
        let head =
            [direction.rawValue]
            + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
        return write(number, head, 9) == 9
    }

    private static func connect(_ place: SocketEndpoint) throws -> Descriptor {
        signal(SIGPIPE, SIG_IGN)
        let socket = try socket()
        let number = socket.number
        try check("connect", place.description) { with(place) { Glibc.connect(number, $0, $1) } }
        quicken(number)
        return socket
    }

    private static func socket() throws -> Descriptor {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return Descriptor(owning: try check("socket") { Glibc.socket(AF_INET, kind, 0) })
    }

    private static func quicken(_ number: Int32) {
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
    }

    private static func with<Result>(
        _ place: SocketEndpoint, _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result
    ) -> Result {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = place.port.bigEndian
        withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: place.address.bytes) }
        return withUnsafeBytes(of: &name) {
            body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }
}
