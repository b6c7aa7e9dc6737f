import CLinux
import COpenSSL
import Glibc
import LinuxSystem
import MeshModel

/// One connection between a node that joins and its controller, both of which have proved that they have the key.
///
/// Used by one thread at a time, but for ``cut()``. Deadlines are points on ``LinuxSystem/Clocks/monotonic()``.
///
/// Unchecked: OpenSSL's connection may move between threads but not be used by two at once, which is asked above.
public final class JoinStream: @unchecked Sendable {
    /// What the client calls itself: which key it has shown.
    public var identity: [UInt8] { notes.identity }
    /// Where the other end is, for people.
    public let peer: String
    /// When the connection was made, before anything was said. *Units:* seconds on the monotonic clock.
    public let since: Double

    private let tls: PresharedKeyTLS
    private let ssl: OpaquePointer
    private let socket: Descriptor
    private let notes: HandshakeNotes
    private var isClosed = false

    /// Takes over a connected socket; no word has been said yet.
    init(
        _ tls: PresharedKeyTLS, _ socket: consuming Descriptor, peer: String, since: Double,
        _ notes: HandshakeNotes
    ) throws(JoinChannelError) {
        guard let ssl = SSL_new(tls.handle) else {
            throw JoinChannelError(.system, "OpenSSL: \(TLSErrors.take().words)")
        }
        self.tls = tls
        self.ssl = ssl
        self.socket = socket
        self.peer = peer
        self.since = since
        self.notes = notes
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(notes).toOpaque())
        guard SSL_set_fd(ssl, self.socket.number) == 1 else {
            throw JoinChannelError(.system, "OpenSSL: \(TLSErrors.take().words)")
        }
        if tls.isServer { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
    }

    deinit { SSL_free(ssl) }

    /// The socket's number, to be waited for together with others.
    var number: Int32 { socket.number }

    /// Whether the other end's first message was made with the key. Who has not got it can only play back a message that
    /// it has recorded, and comes no further than that. *Source:* RFC 8446 section 4.2.11.2, the binder.
    var hasShownKey: Bool { SSL_session_reused(ssl) == 1 }

    /// How far a step came.
    enum Step: Equatable {
        case done
        /// It goes on once the socket is ready for this.
        case waits(IO.Readiness)
    }

    /// Shakes hands as far as it goes without waiting.
    ///
    /// *Throws:* ``JoinChannelError`` `refused` where the other end has not got the key, `garbled` where it speaks
    /// something else, `hungUp`.
    func shakeHands() throws(JoinChannelError) -> Step {
        ERR_clear_error()
        let code = SSL_do_handshake(ssl)
        if code == 1 {
            // Without the key it would be a connection to anybody.
            guard SSL_session_reused(ssl) == 1 else {
                throw JoinChannelError(.refused, "the other end does not use the token's key")
            }
            return .done
        }
        switch SSL_get_error(ssl, code) {
        case SSL_ERROR_WANT_READ: return .waits(.reading)
        case SSL_ERROR_WANT_WRITE: return .waits(.writing)
        case SSL_ERROR_SSL: throw Self.failure(TLSErrors.take())
        default:
            ERR_clear_error()
            throw JoinChannelError(.hungUp, "the other end hung up in the middle of the handshake")
        }
    }

    private static func failure(_ errors: TLSErrors) -> JoinChannelError {
        switch errors.reason {
        case SSL_R_BINDER_DOES_NOT_VERIFY, SSL_R_DIGEST_CHECK_FAILED,
            SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_BAD_PSK, SSL_R_BAD_PSK_IDENTITY:
            return JoinChannelError(.refused, "the other end does not have the token's key")
        case SSL_R_UNEXPECTED_EOF_WHILE_READING:
            return JoinChannelError(
                .hungUp, "the other end hung up in the middle of the handshake")
        default: break
        }
        if errors.isAlert {
            return JoinChannelError(.refused, "the other end refused the token's key")
        }
        return JoinChannelError(.garbled, "what is there does not speak our TLS: \(errors.words)")
    }

    /// Shakes hands to the end. *Throws:* as ``shakeHands()``, and `timeout`.
    func shakeHands(deadline: Double) throws(JoinChannelError) {
        while case .waits(let readiness) = try shakeHands() {
            guard try wait(for: readiness, until: deadline) else {
                throw JoinChannelError(.timeout, "no handshake came of it in time")
            }
        }
    }

    private func wait(
        for readiness: IO.Readiness, until moment: Double
    ) throws(JoinChannelError) -> Bool {
        let left = max(0, min(moment - Clocks.monotonic(), 86_400))
        do throws(SystemError) {
            return try IO.wait(number, for: readiness, milliseconds: Int32(left * 1000 + 0.999))
        } catch { throw JoinChannelError(.system, "\(error)") }
    }

    /// The bytes that are there without waiting; empty at the orderly end of the stream, nil where none are there yet.
    ///
    /// *Throws:* `hungUp` where it was cut.
    func receive() throws(JoinChannelError) -> (bytes: [UInt8]?, waits: IO.Readiness) {
        ERR_clear_error()
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, count in
            code = SSL_read(ssl, buffer.baseAddress, Int32(buffer.count))
            count = Int(max(code, 0))
        }
        if !bytes.isEmpty { return (bytes, .reading) }
        switch SSL_get_error(ssl, code) {
        case SSL_ERROR_WANT_READ: return (nil, .reading)
        case SSL_ERROR_WANT_WRITE: return (nil, .writing)
        case SSL_ERROR_ZERO_RETURN: return ([], .reading)
        default:
            ERR_clear_error()
            throw JoinChannelError(.hungUp, "the connection was cut")
        }
    }

    /// The bytes that came; empty at the end of the stream.
    ///
    /// *Throws:* ``JoinChannelError`` `timeout`, and `hungUp` where it was cut rather than ended.
    public func read(deadline: Double) throws(JoinChannelError) -> [UInt8] {
        while true {
            let (bytes, readiness) = try receive()
            if let bytes { return bytes }
            guard try wait(for: readiness, until: deadline) else {
                throw JoinChannelError(.timeout, "the other end said nothing in time")
            }
        }
    }

    /// Sends all bytes.
    public func write(_ bytes: [UInt8], deadline: Double) throws(JoinChannelError) {
        var sent = 0
        while sent < bytes.count {
            ERR_clear_error()
            let code = bytes.withUnsafeBytes { raw in
                SSL_write(ssl, raw.baseAddress! + sent, Int32(min(raw.count - sent, 16_384)))
            }
            if code > 0 {
                sent += Int(code)
                continue
            }
            let readiness: IO.Readiness
            switch SSL_get_error(ssl, code) {
            case SSL_ERROR_WANT_READ: readiness = .reading
            case SSL_ERROR_WANT_WRITE: readiness = .writing
            default:
                ERR_clear_error()
                throw JoinChannelError(.hungUp, "the connection was cut")
            }
            guard try wait(for: readiness, until: deadline) else {
                throw JoinChannelError(.timeout, "the other end took nothing in time")
            }
        }
    }

    /// Whether bytes are there that the socket does not show any more.
    var hasPending: Bool { SSL_pending(ssl) > 0 }

    /// Ends it in an orderly way. *Idempotency:* a second call does nothing.
    public func close() {
        if isClosed { return }
        isClosed = true
        ERR_clear_error()
        _ = SSL_shutdown(ssl)
        ERR_clear_error()
        shutdown(number, Int32(SHUT_WR))
    }

    /// Ends it at once, from any thread: whoever waits for it finds it cut.
    public func cut() { shutdown(number, Int32(SHUT_RDWR)) }
}
