import CLinux
import CSSH
import MeshModel

/// libssh as a whole: started once, silent, and its own names for things turned into Swift's.
enum SSHLibrary {
    /// Whether libssh started. Evaluated once; Swift makes that safe from many threads.
    ///
    /// SIGPIPE is ignored because libssh writes to an agent's socket without MSG_NOSIGNAL.
    static let isReady: Bool = {
        cl_ignore_sigpipe()
        ssh_set_log_level(Int32(SSH_LOG_NOLOG))
        return ssh_init() == SSH_OK
    }()

    /// Copies a string that libssh allocated, and frees it.
    static func take(_ text: UnsafeMutablePointer<CChar>?) -> String? {
        guard let text else { return nil }
        defer { ssh_string_free_char(text) }
        return String(cString: text)
    }

    /// The fingerprint of a public key, as `SHA256:` and unpadded base64, like `ssh-keygen -l`.
    static func fingerprint(_ key: ssh_key) -> String? {
        var hash: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &count) == SSH_OK else {
            return nil
        }
        defer { ssh_clean_pubkey_hash(&hash) }
        return take(ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, count))
    }

    /// A public key's type, for instance `ssh-ed25519`.
    static func typeName(_ key: ssh_key) -> String {
        ssh_key_type_to_char(ssh_key_type(key)).map { String(cString: $0) } ?? "unknown"
    }
}

extension SSHLibrary {
    /// An Ed25519 key as the model knows it; nil for another type.
    static func publicKey(_ key: ssh_key) -> PublicKey? {
        var text: UnsafeMutablePointer<CChar>?
        guard ssh_pki_export_pubkey_base64(key, &text) == SSH_OK, let blob = take(text) else {
            return nil
        }
        return Base64.decode(blob).flatMap { PublicKey(openSSHBlob: $0) }
    }

    /// The fingerprint of a key that libssh has not seen.
    static func fingerprint(_ key: PublicKey) -> String? {
        var handle: ssh_key?
        let text = Base64.encode(key.openSSHBlob)
        guard ssh_pki_import_pubkey_base64(text, SSH_KEYTYPE_ED25519, &handle) == SSH_OK,
            let handle
        else { return nil }
        defer { ssh_key_free(handle) }
        return fingerprint(handle)
    }
}
