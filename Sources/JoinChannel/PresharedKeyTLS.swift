import CLinux
import COpenSSL
import MeshModel

/// TLS 1.3 by a preshared key and X25519: no certificate, no session that is kept, one suite.
///
/// Each side proves by the handshake that it has the key; the exchange beside it makes what was said unreadable to
/// somebody who gets the key later. *Source:* RFC 8446 sections 2.2 and 4.2.9 (`psk_dhe_ke`), RFC 9257.
///
/// Unchecked: OpenSSL counts references to a context with atomics, and nobody changes it once it is made.
final class PresharedKeyTLS: @unchecked Sendable {
    let handle: OpaquePointer
    let isServer: Bool

    /// TLS_AES_256_GCM_SHA384. *Source:* RFC 8446 appendix B.4.
    private static let suite: [UInt8] = [0x13, 0x02]

    init(isServer: Bool) throws(JoinChannelError) {
        // OpenSSL writes to its socket by write(2), which has no flag for it.
        cl_ignore_sigpipe()
        guard let handle = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            throw JoinChannelError(.system, "OpenSSL did not start: \(TLSErrors.take().words)")
        }
        self.handle = handle
        self.isServer = isServer
        guard co_set_minimum(handle, TLS1_3_VERSION) == 1,
            co_set_maximum(handle, TLS1_3_VERSION) == 1,
            SSL_CTX_set_ciphersuites(handle, "TLS_AES_256_GCM_SHA384") == 1,
            co_set_groups(handle, "X25519") == 1, SSL_CTX_set_num_tickets(handle, 0) == 1
        else {
            throw JoinChannelError(
                .system, "OpenSSL here cannot do TLS 1.3 with X25519: \(TLSErrors.take().words)")
        }
        co_forget_sessions(handle)
        co_allow_partial_writes(handle)
        if isServer {
            SSL_CTX_set_psk_find_session_callback(handle, findKey)
        } else {
            // A server that shows a certificate has not got the key. There is no authority that could make it good.
            SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
            SSL_CTX_set_psk_use_session_callback(handle, useKey)
        }
    }

    deinit { SSL_CTX_free(handle) }

    /// A session that holds nothing but the key; OpenSSL's to free, and wiped by it.
    fileprivate static func session(
        _ ssl: OpaquePointer?, _ key: any SecretMaterial
    ) -> OpaquePointer? {
        guard let cipher = SSL_CIPHER_find(ssl, suite), let session = SSL_SESSION_new() else {
            return nil
        }
        var isSet = false
        key.withBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            isSet =
                SSL_SESSION_set1_master_key(
                    session, base.assumingMemoryBound(to: UInt8.self), bytes.count) == 1
        }
        if isSet, SSL_SESSION_set_cipher(session, cipher) == 1,
            SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1
        {
            return session
        }
        SSL_SESSION_free(session)
        return nil
    }
}

/// What a handshake's callbacks need, and note. Lives as long as its connection.
final class HandshakeNotes {
    /// A server's keys; nil on a client.
    let keys: (any JoinKeys)?
    /// A client's own key; nil on a server.
    let key: (any SecretMaterial)?
    /// What the client calls itself: given on a client, told on a server.
    var identity: [UInt8]
    /// The same, where OpenSSL may look at it as long as it likes.
    fileprivate let identityMemory: UnsafeMutableBufferPointer<UInt8>

    init(server keys: any JoinKeys) {
        self.keys = keys
        key = nil
        identity = []
        identityMemory = UnsafeMutableBufferPointer.allocate(capacity: 0)
    }

    init(client identity: [UInt8], key: any SecretMaterial) {
        keys = nil
        self.key = key
        self.identity = identity
        identityMemory = UnsafeMutableBufferPointer.allocate(capacity: identity.count)
        _ = identityMemory.initialize(from: identity)
    }

    deinit { identityMemory.deallocate() }

    fileprivate static func of(_ ssl: OpaquePointer?) -> HandshakeNotes? {
        guard let ssl, let pointer = SSL_get_ex_data(ssl, 0) else { return nil }
        return Unmanaged<HandshakeNotes>.fromOpaque(pointer).takeUnretainedValue()
    }
}

/// *Source:* SSL_CTX_set_psk_find_session_callback(3): 0 ends the handshake; else the session, or none.
private func findKey(
    _ ssl: OpaquePointer?, _ identity: UnsafePointer<UInt8>?, _ length: Int,
    _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    guard let notes = HandshakeNotes.of(ssl), let keys = notes.keys, let session else { return 0 }
    notes.identity = Array(
        UnsafeBufferPointer(start: identity, count: identity == nil ? 0 : length))
    session.pointee = PresharedKeyTLS.session(ssl, keys.key(of: notes.identity))
    return session.pointee == nil ? 0 : 1
}

/// *Source:* SSL_CTX_set_psk_use_session_callback(3).
private func useKey(
    _ ssl: OpaquePointer?, _ digest: OpaquePointer?,
    _ identity: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<Int>?,
    _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    guard let notes = HandshakeNotes.of(ssl), let key = notes.key, let identity, let length,
        let session
    else { return 0 }
    session.pointee = PresharedKeyTLS.session(ssl, key)
    identity.pointee = UnsafePointer(notes.identityMemory.baseAddress)
    length.pointee = notes.identityMemory.count
    return session.pointee == nil ? 0 : 1
}

/// What OpenSSL has noted of failures in this thread.
struct TLSErrors {
    /// The reason of the first one; 0 for none.
    var reason: Int32
    /// For people.
    var words: String

    /// Takes them all, so that the next call begins without any.
    static func take() -> TLSErrors {
        let code = ERR_get_error()
        ERR_clear_error()
        if code == 0 { return TLSErrors(reason: 0, words: "no reason given") }
        let words = ERR_reason_error_string(code).map { String(cString: $0) }
        return TLSErrors(reason: co_error_reason(code), words: words ?? "error \(code)")
    }

    /// Whether the other end ended it by an alert. *Source:* OpenSSL's SSL_AD_REASON_OFFSET; RFC 8446 section 6.
    var isAlert: Bool { (1000...1255).contains(reason) }
}
