import COpenSSL
import LinuxSystem
import MeshModel

/// A connection through TLS, on top of a ``ProbeSocket``. Belongs to one thread.
///
/// A chain that is not to be trusted does not end it: ``TLSFacts/isTrusted`` says so, and the outcome stays the server's.
final class TLSStream: ProbeStream {
    let attempt: Attempt
    private let socket: ProbeSocket
    private let context: TLSContext
    private let ssl: OpaquePointer
    private let notes = TLSNotes()

    /// Alerts by which a server refuses a client for its certificate, or for having none.
    ///
    /// *Source:* RFC 8446 section 6.2, RFC 5246 section 7.2.2: handshake_failure, no_certificate and bad_certificate to
    /// certificate_unknown, unknown_ca, access_denied, certificate_required.
    static let certificateAlerts: Set<Int32> = [40, 41, 42, 43, 44, 45, 46, 48, 49, 116]

    /// Shakes hands.
    ///
    /// *Throws:* ``ProbeEnd`` `refused` where the server, or what we are held to, does not allow it; `garbled` where
    /// what answers is not TLS.
    init(_ socket: ProbeSocket, _ context: TLSContext) throws(ProbeEnd) {
        attempt = socket.attempt
        self.socket = socket
        self.context = context
        guard let ssl = SSL_new(context.handle) else {
            throw ProbeEnd(.failed, "OpenSSL: \(OpenSSLErrors.take().words)")
        }
        self.ssl = ssl
        let pointer = Unmanaged.passUnretained(notes).toOpaque()
        SSL_set_ex_data(ssl, 0, pointer)
        SSL_set_cert_cb(ssl, noteCertificateRequest, pointer)
        guard SSL_set_fd(ssl, socket.number) == 1, setName() else {
            throw ProbeEnd(.failed, "\(shown(context.rules.name.utf8)) is no name for a server")
        }
        do throws(ProbeEnd) { try shakeHands() } catch {
            record()
            throw error
        }
        record()
    }

    deinit { SSL_free(ssl) }

    /// The name that the certificate has to be for, and, unless it is an address, the name to ask for.
    private func setName() -> Bool {
        let name = context.rules.name
        guard !name.isEmpty, !name.utf8.contains(0) else { return false }
        let parameters = SSL_get0_param(ssl)
        if IPAddress(name) != nil { return X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 }
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        return X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1
            && co_set_server_name(ssl, name) == 1
    }

    private func shakeHands() throws(ProbeEnd) {
        while true {
            ERR_clear_error()
            let code = SSL_connect(ssl)
            if code == 1 { return }
            switch SSL_get_error(ssl, code) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                if try !waitForSocket(until: attempt.deadline) {
                    throw ProbeEnd(
                        .silent, "it took the connection, but no TLS handshake came of it")
                }
            case SSL_ERROR_SSL: throw handshakeFailure(OpenSSLErrors.take())
            default:
                ERR_clear_error()
                throw ProbeEnd(.garbled, "it hung up during the TLS handshake")
            }
        }
    }

    private func handshakeFailure(_ errors: OpenSSLErrors) -> ProbeEnd {
        if errors.alert != nil { return refusal(errors) }
        switch errors.reason {
        // It chose a version under the minimum, or keys that are too weak for this machine's policy.
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION, SSL_R_DH_KEY_TOO_SMALL,
            SSL_R_EE_KEY_TOO_SMALL, SSL_R_CA_KEY_TOO_SMALL, SSL_R_CA_MD_TOO_WEAK,
            SSL_R_WRONG_CIPHER_RETURNED:
            return ProbeEnd(
                .refused,
                "its TLS is not good enough for \(context.rules.minimum): \(errors.words)")
        default: return ProbeEnd(.garbled, "it does not speak TLS: \(errors.words)")
        }
    }

    /// The other end sent an alert. Without a certificate of ours only some alerts tell that it wanted one.
    private func refusal(_ errors: OpenSSLErrors) -> ProbeEnd {
        let words = "it refused by a TLS alert: \(errors.words)"
        guard case .tlsWithoutCertificate = attempt.order.question else {
            return ProbeEnd(.refused, words)
        }
        if notes.asksForCertificate, let alert = errors.alert,
            Self.certificateAlerts.contains(alert)
        {
            return ProbeEnd(.refused, words)
        }
        return ProbeEnd(.failed, "\(words); but not for want of a client certificate")
    }

    private func waitForSocket(until moment: Double) throws(ProbeEnd) -> Bool {
        try socket.wait(for: SSL_want(ssl) == SSL_WRITING ? .writing : .reading, until: moment)
    }

    func send(_ bytes: [UInt8]) throws(ProbeEnd) {
        if bytes.isEmpty { return }
        while true {
            ERR_clear_error()
            let code = SSL_write(ssl, bytes, Int32(clamping: bytes.count))
            if code > 0 {
                attempt.sent += UInt64(code)
                return
            }
            switch SSL_get_error(ssl, code) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                guard try waitForSocket(until: attempt.deadline) else { return }
            case SSL_ERROR_SSL:
                let errors = OpenSSLErrors.take()
                if errors.alert != nil { throw refusal(errors) }
                return
            // It has gone; what it said before that is still to be read.
            default: return
            }
        }
    }

    func receive(limit: Int, until moment: Double) throws(ProbeEnd) -> Arrival {
        while true {
            ERR_clear_error()
            var code: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: min(limit, 16_384)) { buffer, count in
                code = SSL_read(ssl, buffer.baseAddress, Int32(buffer.count))
                count = Int(max(code, 0))
            }
            if !bytes.isEmpty {
                attempt.received += UInt64(bytes.count)
                return .bytes(bytes)
            }
            switch SSL_get_error(ssl, code) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                guard try waitForSocket(until: moment) else { return .nothing }
            case SSL_ERROR_ZERO_RETURN: return .ended("closed it")
            case SSL_ERROR_SSL:
                let errors = OpenSSLErrors.take()
                if errors.alert != nil { throw refusal(errors) }
                throw ProbeEnd(.garbled, "what came is not TLS any more: \(errors.words)")
            default: return .ended("reset it")
            }
        }
    }

    /// Whether the server asked for a client certificate.
    var asksForCertificate: Bool { notes.asksForCertificate }

    /// Keeps what is known by now, once the server has shown a certificate.
    private func record() {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return }
        defer { X509_free(certificate) }
        let cipher = SSL_get_current_cipher(ssl) ?? SSL_get_pending_cipher(ssl)
        let look = CertificateLook(certificate)
        attempt.tls = TLSFacts(
            version: SSL_get_version(ssl).map { String(cString: $0) } ?? "unknown",
            cipher: cipher.flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
                ?? "unknown",
            isTrusted: notes.problems.isEmpty, trustProblem: notes.problems.joined(separator: ", "),
            subject: look.subject, issuer: look.issuer, expires: look.expires,
            fingerprint: look.fingerprint, asksForCertificate: notes.asksForCertificate)
    }
}

/// OpenSSL calls this on a client only when the server asks for a certificate. *Source:* SSL_set_cert_cb(3).
private func noteCertificateRequest(
    _ ssl: OpaquePointer?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    if let context {
        Unmanaged<TLSNotes>.fromOpaque(context).takeUnretainedValue().asksForCertificate = true
    }
    return 1
}
