import COpenSSL
import Glibc
import LinuxSystem
import MeshModel

/// What an edge's TLS is held to, with its files read: made while we are root, used by whoever puts the probe.
///
/// Unchecked: OpenSSL counts references to a context with atomics, and nobody changes it once it is made.
final class TLSContext: @unchecked Sendable {
    let handle: OpaquePointer
    let rules: TLSCase
    /// Whether it shows a client certificate when it is asked for one.
    let hasCertificate: Bool

    /// Reads the files of `rules`; those without a leading slash are in `folder`.
    init(_ rules: TLSCase, withCertificate: Bool, folder: String) throws(ProbeEnd) {
        let minimum: Int32
        switch rules.minimum {
        case "TLS1.2": minimum = TLS1_2_VERSION
        case "TLS1.3": minimum = TLS1_3_VERSION
        default:
            throw ProbeEnd(.failed, "\(shown(rules.minimum.utf8)) is neither TLS1.2 nor TLS1.3")
        }
        guard let handle = SSL_CTX_new(TLS_client_method()) else {
            throw ProbeEnd(.failed, "OpenSSL did not start: \(OpenSSLErrors.take().words)")
        }
        self.handle = handle
        self.rules = rules
        hasCertificate = withCertificate && rules.certificate != nil
        ERR_clear_error()
        co_allow_sudden_end(handle)
        guard co_set_minimum(handle, minimum) == 1 else {
            throw ProbeEnd(.failed, "OpenSSL here has no \(rules.minimum)")
        }
        SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, noteVerification)
        SSL_CTX_set_default_passwd_cb(handle, giveNoPassphrase)
        try readAuthorities(folder)
        if hasCertificate { try readCertificate(folder) }
    }

    deinit { SSL_CTX_free(handle) }

    private func readAuthorities(_ folder: String) throws(ProbeEnd) {
        guard let name = rules.authorities else {
            guard SSL_CTX_set_default_verify_paths(handle) == 1 else {
                throw ProbeEnd(
                    .failed, "the system's authorities cannot be read: install ca-certificates")
            }
            return
        }
        let path = try Self.place(name, folder, "the authorities to trust (ca)")
        guard SSL_CTX_load_verify_locations(handle, path, nil) == 1 else {
            throw ProbeEnd(
                .failed, "\(path): holds no certificate in PEM: \(OpenSSLErrors.take().words)")
        }
    }

    private func readCertificate(_ folder: String) throws(ProbeEnd) {
        guard let certificate = rules.certificate, let key = rules.key else {
            throw ProbeEnd(.failed, "a client certificate needs both cert and key")
        }
        let certificatePath = try Self.place(certificate, folder, "the client's certificate (cert)")
        let keyPath = try Self.place(key, folder, "the client's key (key)")
        guard SSL_CTX_use_certificate_chain_file(handle, certificatePath) == 1 else {
            throw ProbeEnd(
                .failed,
                "\(certificatePath): holds no certificate in PEM: \(OpenSSLErrors.take().words)")
        }
        guard SSL_CTX_use_PrivateKey_file(handle, keyPath, SSL_FILETYPE_PEM) == 1 else {
            throw ProbeEnd(
                .failed,
                "\(keyPath): holds no private key in PEM without a passphrase, or not the key of "
                    + "\(certificatePath): \(OpenSSLErrors.take().words)")
        }
        guard SSL_CTX_check_private_key(handle) == 1 else {
            throw ProbeEnd(.failed, "\(keyPath) is not the key of \(certificatePath)")
        }
    }

    /// Where a file is, once it is sure that it can be read.
    private static func place(
        _ name: String, _ folder: String, _ what: String
    ) throws(ProbeEnd) -> String {
        let path = name.hasPrefix("/") ? name : "\(folder)/\(name)"
        if name.isEmpty || name.utf8.contains(0) {
            throw ProbeEnd(.failed, "the name of \(what) is not usable")
        }
        // Opened, not only looked at: OpenSSL's own words for a missing file help nobody.
        do throws(SystemError) {
            _ = Descriptor(
                owning: try check("open", path) {
                    open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                })
        } catch {
            throw ProbeEnd(
                .failed,
                "\(path): \(SystemError.text(error.errno)); put \(what) there, or correct the edge's options in the topology"
            )
        }
        return path
    }
}

/// What OpenSSL has noted of failures in this thread.
struct OpenSSLErrors {
    /// The reason of the first one; 0 for none.
    var reason: Int32
    /// For people.
    var words: String

    /// Takes them all, so that the next call begins without any.
    static func take() -> OpenSSLErrors {
        let code = ERR_get_error()
        ERR_clear_error()
        if code == 0 { return OpenSSLErrors(reason: 0, words: "no reason given") }
        let words = ERR_reason_error_string(code).map { String(cString: $0) }
        return OpenSSLErrors(reason: co_error_reason(code), words: words ?? "error \(code)")
    }

    /// The alert that the other end sent, or nil. *Source:* OpenSSL's SSL_AD_REASON_OFFSET; RFC 8446 section 6.
    var alert: Int32? { (1000...1255).contains(reason) ? reason - 1000 : nil }
}

/// Without it OpenSSL would ask on the terminal.
private func giveNoPassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ writing: Int32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 { -1 }

/// Notes what is wrong with the chain and goes on: what the server is and does is told in any case.
private func noteVerification(_ isFine: Int32, _ store: OpaquePointer?) -> Int32 {
    guard isFine == 0, let store else { return 1 }
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    if let ssl, let notes = SSL_get_ex_data(OpaquePointer(ssl), 0) {
        Unmanaged<TLSNotes>.fromOpaque(notes).takeUnretainedValue()
            .note(X509_STORE_CTX_get_error(store))
    }
    return 1
}
