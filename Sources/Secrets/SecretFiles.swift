import CSodium
import Glibc
import LinuxSystem
public import MeshModel

/// Secrets in files: one line of base64, like `wg genkey` prints, that only their owner can read.
public enum SecretFiles {
    /// Writes a secret so that a crash leaves the old or the new file, and at no time a readable one.
    ///
    /// *Idempotency:* the same call twice leaves the same file, mode 0600.
    public static func write(_ secret: some SecretMaterial, to path: String) throws(SecretsError) {
        let length = SecretText.encodedCount(secret.count)
        let line = try SecretBytes(count: length + 1) { line in
            secret.withBytes { bytes in
                _ = sodium_bin2base64(
                    line.charPointer, line.count, bytes.bytePointer, bytes.count, SecretText.variant
                )
            }
            // Where the text's NUL stood.
            line[length] = UInt8(ascii: "\n")
        }
        do throws(SystemError) {
            try line.withBytes { (bytes) throws(SystemError) in
                try Files.replace(path, withRaw: bytes, mode: 0o600)
            }
        } catch {
            throw SecretsError(
                error, "write secret", hint: "check that the folder exists and can be written to")
        }
    }

    /// The secret of `count` bytes in a file, or nil where there is no such file.
    ///
    /// *Throws:* ``SecretsError`` `unsafeFile` for a link, for a file of another user, and for one that the group or
    /// others can read or write; `malformed` for one that does not hold `count` bytes of base64.
    public static func read(_ path: String, count: Int) throws(SecretsError) -> SecretBytes? {
        // Two bytes more than the text, for a line's end, and one to notice a longer file.
        let room = SecretText.encodedCount(count) + 3
        let secret = try lend(path, atMost: room) { (text) throws(SecretsError) -> SecretBytes? in
            let secret = try SecretText.decode(text, count: count, ignoring: "\r\n")
            if let secret { return secret }
            throw SecretsError(
                .malformed, "read secret", path, "does not hold \(count) bytes in base64",
                hint: "restore the file from its backup")
        }
        return secret ?? nil
    }

    /// Lends a file's first bytes in locked memory for the time of `body`; nil where there is no such file.
    ///
    /// *Throws:* ``SecretsError`` `unsafeFile` as ``read(_:count:)`` does.
    static func lend<Result>(
        _ path: String, atMost room: Int,
        _ body: (UnsafeRawBufferPointer) throws(SecretsError) -> Result
    ) throws(SecretsError) -> Result? {
        // Without O_NONBLOCK a FIFO put in the file's place would hold us for ever.
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        let code = errno
        if number < 0 {
            if code == ENOENT { return nil }
            if code == ELOOP {
                throw unsafe(path, "is a symbolic link", "put the file itself there")
            }
            throw SecretsError(
                SystemError("open", path, errno: code), "read secret",
                hint: "run as the user that owns the file")
        }
        let file = Descriptor(owning: number)
        try inspect(file.number, path)
        var length = 0
        let text = try SecretBytes(count: room) { memory throws(SecretsError) in
            length = try fill(memory, from: file.number, path)
        }
        return try text.withBytes { (bytes) throws(SecretsError) -> Result in
            try body(UnsafeRawBufferPointer(rebasing: bytes[..<length]))
        }
    }

    private static func fill(
        _ memory: UnsafeMutableRawBufferPointer, from fd: Int32, _ path: String
    ) throws(SecretsError) -> Int {
        var length = 0
        while length < memory.count {
            let start = length
            let got: Int
            do {
                got = try checkCount("read", path) {
                    Glibc.read(fd, memory.baseAddress! + start, memory.count - start)
                }
            } catch {
                throw SecretsError(error, "read secret", hint: "check the disk and the file")
            }
            if got == 0 { break }
            length += got
        }
        return length
    }

    /// Judges the opened file and not its name, so that nobody can swap it in between.
    private static func inspect(_ fd: Int32, _ path: String) throws(SecretsError) {
        var info = stat()
        do { try check("fstat", path) { fstat(fd, &info) } } catch {
            throw SecretsError(error, "read secret", hint: "check the disk and the file")
        }
        if info.st_mode & S_IFMT != S_IFREG {
            throw unsafe(path, "is not a regular file", "put the file itself there")
        }
        if info.st_uid != geteuid() && info.st_uid != 0 {
            throw unsafe(
                path, "belongs to user \(info.st_uid)",
                "run as that user, or: chown \(geteuid()) \(path)")
        }
        if info.st_mode & 0o077 != 0 {
            let mode = String(info.st_mode & 0o7777, radix: 8)
            throw unsafe(
                path, "can be read by others (mode 0\(mode))",
                "chmod 600 \(path), and replace the secret if somebody else used this machine")
        }
    }

    private static func unsafe(_ path: String, _ what: String, _ fix: String) -> SecretsError {
        SecretsError(.unsafeFile, "read secret", path, what, hint: fix)
    }
}
