import CSSH
import Glibc
import LinuxSystem
public import MeshModel

/// Ed25519 key pairs in OpenSSH's own file format, for a host or for a client.
///
/// *Source:* PROTOCOL.key of OpenSSH; libssh's `ssh_pki_generate` and `ssh_pki_export_privkey_base64`.
public enum SSHKeyPair {
    /// Makes a pair and lends the private half's file content for the time of `body`; then it is wiped.
    ///
    /// What `body` keeps of it, it keeps in memory of its own that it wipes.
    public static func generate<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer, PublicKey) throws(Failure) -> Result
    ) throws(SSHKeyError) -> Swift.Result<Result, Failure> {
        guard SSHLibrary.isReady else { throw SSHKeyError("make key", "", "libssh did not start") }
        var key: ssh_key?
        guard ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) == SSH_OK, let key else {
            throw SSHKeyError("make key", "", "libssh made none")
        }
        defer { ssh_key_free(key) }
        let publicKey = try publicHalf(of: key, "make key", "")
        var text: UnsafeMutablePointer<CChar>?
        guard ssh_pki_export_privkey_base64(key, nil, nil, nil, &text) == SSH_OK, let text else {
            throw SSHKeyError("make key", "", "libssh does not write it down")
        }
        let count = strlen(text)
        defer {
            explicit_bzero(text, count)
            ssh_string_free_char(text)
        }
        let bytes = UnsafeRawBufferPointer(start: text, count: count)
        do throws(Failure) { return .success(try body(bytes, publicKey)) } catch {
            return .failure(error)
        }
    }

    /// The public half of a private key's file, or nil where there is none.
    ///
    /// *Throws:* ``SSHKeyError`` for a link, a file that others can read, and one that holds no plain Ed25519 key.
    public static func publicKey(ofFile path: String) throws(SSHKeyError) -> PublicKey? {
        guard SSHLibrary.isReady else {
            throw SSHKeyError("read key", path, "libssh did not start")
        }
        var info = stat()
        guard lstat(path, &info) == 0 else {
            let code = errno
            if code == ENOENT { return nil }
            throw SSHKeyError("read key", path, SystemError.text(code))
        }
        guard info.st_mode & S_IFMT == S_IFREG, info.st_uid == geteuid(), info.st_mode & 0o077 == 0
        else {
            throw SSHKeyError(
                "read key", path,
                "is not a file of user \(geteuid()) that nobody else can read (chmod 600)")
        }
        var key: ssh_key?
        // A passphrase of no length, so that nobody is asked for one.
        guard ssh_pki_import_privkey_file(path, "", nil, nil, &key) == SSH_OK, let key else {
            throw SSHKeyError("read key", path, "holds no private key that libssh can read")
        }
        defer { ssh_key_free(key) }
        return try publicHalf(of: key, "read key", path)
    }

    private static func publicHalf(
        of key: ssh_key, _ operation: String, _ path: String
    ) throws(SSHKeyError) -> PublicKey {
        var text: UnsafeMutablePointer<CChar>?
        guard ssh_pki_export_pubkey_base64(key, &text) == SSH_OK, let text = SSHLibrary.take(text),
            let blob = Base64.decode(text), let found = PublicKey(openSSHBlob: blob)
        else { throw SSHKeyError(operation, path, "is not an Ed25519 key") }
        return found
    }
}
