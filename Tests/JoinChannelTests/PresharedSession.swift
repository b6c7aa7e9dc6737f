import COpenSSL
import LinuxSystem
import MeshModel

/// A session file with a preshared key for TLS_AES_256_GCM_SHA384, as `openssl s_server -psk_session` reads it.
enum PresharedSession {
    static func write(key: String, to path: String) throws {
        guard let context = SSL_CTX_new(TLS_method()), let ssl = SSL_new(context),
            let session = SSL_SESSION_new(), let cipher = SSL_CIPHER_find(ssl, [0x13, 0x02]),
            let bytes = Base64.unhex(key)
        else { throw SystemError("make session", path, errno: 0) }
        defer {
            SSL_SESSION_free(session)
            SSL_free(ssl)
            SSL_CTX_free(context)
        }
        guard SSL_SESSION_set1_master_key(session, bytes, bytes.count) == 1,
            SSL_SESSION_set_cipher(session, cipher) == 1,
            SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1,
            let out = BIO_new_file(path, "w")
        else { throw SystemError("make session", path, errno: 0) }
        defer { BIO_free(out) }
        guard PEM_write_bio_SSL_SESSION(out, session) == 1 else {
            throw SystemError("write session", path, errno: 0)
        }
    }
}
