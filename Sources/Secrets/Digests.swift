import CSodium
import Glibc
public import LinuxSystem
import MeshModel

/// SHA-256 of public things, as the hexadecimal text that `sha256sum` prints.
public enum Digests {
    /// The digest of `bytes`.
    public static func sha256(_ bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        crypto_hash_sha256(&digest, bytes, UInt64(bytes.count))
        return Base64.hex(digest)
    }

    /// The digest of a file's content, read in pieces.
    public static func sha256(file path: String) throws(SystemError) -> String {
        let file = Descriptor(owning: try check("open", path) { open(path, O_RDONLY | O_CLOEXEC) })
        var state = crypto_hash_sha256_state()
        crypto_hash_sha256_init(&state)
        while true {
            let chunk: [UInt8]
            do { chunk = try IO.read(file.number, limit: 1 << 20) } catch {
                throw SystemError("read", path, errno: error.errno)
            }
            if chunk.isEmpty { break }
            crypto_hash_sha256_update(&state, chunk, UInt64(chunk.count))
        }
        var digest = [UInt8](repeating: 0, count: 32)
        crypto_hash_sha256_final(&state, &digest)
        return Base64.hex(digest)
    }
}
