import CLinux
import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol
import Synchronization

/// The controller's half of a relay: a node of the mesh listens, and the bytes of whoever connects there come here over
/// its SSH connection. The relay has none of the keys, and cannot tell what passes.
final class JoinRelay: Sendable {
    /// The port that the relay listens on.
    let port: UInt16
    private let isStopped = Mutex(false)
    private let worker = Mutex<Worker?>(nil)
    private let failure = Mutex<String?>(nil)

    /// Starts a relay on a node, and waits until it listens.
    ///
    /// - Parameters:
    ///   - port: 0 to have the node choose one.
    ///   - seconds: after which the relay ends by itself, whatever becomes of us.
    ///   - taken: called with each connection as a socket, and where it is from.
    init(
        on node: Node, port: UInt16, seconds: Double, carrier: any Carrier, timeout: Double,
        taken: @escaping @Sendable (consuming Descriptor, String) -> Void
    ) throws(ControllerError) {
        let session = try carrier.connect(to: node, timeout: timeout)
        let stream = try session.open(
            "\(NodeProgram.installedPath) node relay --listen \(port) --seconds \(Int(seconds) + 1)"
        )
        var reader = RelayReader()
        let first = try Self.firstFrame(stream, &reader, Clocks.monotonic() + timeout)
        guard first.kind == .ready, let text = String(validating: first.bytes, as: UTF8.self),
            let port = UInt16(text)
        else {
            throw ControllerError(.agent, "the relay on \(node.name) makes no sense")
        }
        self.port = port
        let rest = reader
        do {
            let worker = try Worker("join-relay") { [self] in
                var loop = JoinRelayLoop(
                    stream: stream, session: session, reader: rest, node: node.name, taken: taken)
                let failure = loop.run { self.isStopped.withLock { $0 } }
                self.failure.withLock { $0 = failure }
            }
            self.worker.withLock { $0 = worker }
        } catch { throw ControllerError(.state, "cannot start a thread: \(error)") }
    }

    private static func firstFrame(
        _ stream: any ByteStream, _ reader: inout RelayReader, _ deadline: Double
    ) throws(ControllerError) -> RelayFrame {
        while true {
            do throws(ProtocolError) {
                if let frame = try reader.next() { return frame }
            } catch { throw ControllerError(.agent, error.message) }
            let bytes = try stream.read(deadline: deadline)
            if bytes.isEmpty {
                let said = stream.errorText
                throw ControllerError(
                    .unreachable, said.isEmpty ? "the relay ended at once" : said,
                    hint: "meshproof up brings this program's version to the node")
            }
            reader.append(bytes)
        }
    }

    /// Why it has ended by itself; nil while it has not.
    var ended: String? { failure.withLock { $0 } }

    /// Ends it, on the node too. *Idempotency:* a second call returns at once.
    func stop() {
        isStopped.withLock { $0 = true }
        worker.withLock { $0 }?.join()
    }
}

/// The thread of a ``JoinRelay``: SSH on one side, a socket pair for each connection on the other.
private struct JoinRelayLoop {
    /// One connection: our end of its socket pair, and what waits to be written there.
    private struct Passage {
        let socket: Int32
        var waiting: [UInt8] = []
        var isEnding = false
    }

    /// More than this may nobody leave unread: the largest message there is, and some. *Units:* bytes.
    private static let limit = FrameReader.limit + (1 << 20)

    let stream: any ByteStream
    /// Keeps the connection alive.
    let session: any CarrierSession
    var reader: RelayReader
    let node: String
    let taken: @Sendable (consuming Descriptor, String) -> Void
    private var passages: [UInt32: Passage] = [:]

    init(
        stream: any ByteStream, session: any CarrierSession, reader: RelayReader, node: String,
        taken: @escaping @Sendable (consuming Descriptor, String) -> Void
    ) {
        self.stream = stream
        self.session = session
        self.reader = reader
        self.node = node
        self.taken = taken
    }

    /// Passes bytes on until it is to stop or the relay ends; why it ended, or nil.
    mutating func run(until isStopped: () -> Bool) -> String? {
        defer {
            for passage in passages.values { Glibc.close(passage.socket) }
            stream.close()
        }
        while !isStopped() {
            do {
                // libssh's socket is not ours to wait for together with others: short turns instead, and only while
                // somebody is connected.
                let turn = passages.isEmpty ? 0.2 : 0.005
                if let bytes = try listen(turn) {
                    if bytes.isEmpty {
                        let said = stream.errorText
                        return said.isEmpty ? "the relay on \(node) has ended" : said
                    }
                    reader.append(bytes)
                }
                while let frame = try reader.next() { take(frame) }
                try passOn()
            } catch { return "the relay on \(node): \(error)" }
        }
        return nil
    }

    private func listen(_ seconds: Double) throws(ControllerError) -> [UInt8]? {
        do throws(ControllerError) {
            return try stream.read(deadline: Clocks.monotonic() + seconds)
        } catch {
            if error.code == .timeout { return nil }
            throw error
        }
    }

    private mutating func take(_ frame: RelayFrame) {
        switch frame.kind {
        case .ready: break
        case .opened:
            guard passages[frame.connection] == nil, passages.count < 64 else { return }
            var ends: [Int32] = [-1, -1]
            let kind =
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue)
            guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return }
            passages[frame.connection] = Passage(socket: ends[0])
            // The address is the relay's word: shown to people, and counted by.
            let address = frame.bytes.prefix(64).filter { (0x21...0x7e).contains($0) }
            taken(
                Descriptor(owning: ends[1]),
                "\(String(decoding: address, as: UTF8.self)) through \(node)")
        case .data: passages[frame.connection]?.waiting += frame.bytes
        case .closed: passages[frame.connection]?.isEnding = true
        }
    }

    private mutating func passOn() throws(ControllerError) {
        for (number, var passage) in passages {
            var isOver = !Self.flush(&passage) || passage.waiting.count > Self.limit
            while !isOver {
                var buffer = [UInt8](repeating: 0, count: RelayFrame.limit / 2)
                let count = recv(passage.socket, &buffer, buffer.count, 0)
                if count < 0 {
                    isOver = errno != EAGAIN && errno != EINTR
                    break
                }
                if count == 0 {
                    isOver = true
                } else {
                    try send(RelayFrame(.data, number, Array(buffer.prefix(count))))
                }
            }
            if passage.isEnding && passage.waiting.isEmpty { isOver = true }
            if isOver {
                Glibc.close(passage.socket)
                passages[number] = nil
                if !passage.isEnding { try send(RelayFrame(.closed, number)) }
            } else {
                passages[number] = passage
            }
        }
    }

    private func send(_ frame: RelayFrame) throws(ControllerError) {
        try stream.write(frame.encoded, deadline: Clocks.monotonic() + 30)
    }

    /// Writes what fits; false where the other end has gone.
    private static func flush(_ passage: inout Passage) -> Bool {
        guard let count = IO.sendNow(passage.socket, passage.waiting) else { return false }
        passage.waiting.removeFirst(count)
        return true
    }
}
