import Glibc
import LinuxSystem

/// The key-encryption key in a file of its own, which a backup of the state does not take along.
public enum KeyFile {
    /// A key and whether its file is new.
    public struct Opened: Sendable {
        /// The key.
        public let key: KeyEncryptionKey
        /// Whether the file was made just now: then show ``KeyFile/backupNotice(_:)`` to the operator.
        public let isNew: Bool
    }

    /// Reads the key file, and makes it where there is none and `mayCreate` says that nothing is sealed yet.
    ///
    /// *Idempotency:* an existing file is never changed.
    /// *Throws:* ``SecretsError`` `keyFileInState` for a path inside `stateFolder`, links resolved; `keyFileMissing` where
    /// there is none and none may be made; `unsafeFile` and `malformed` as ``SecretFiles/read(_:count:)``.
    public static func open(
        _ path: String, stateFolder: String, mayCreate: Bool
    ) throws(SecretsError) -> Opened {
        try refuseInside(path, stateFolder)
        if let found = try SecretFiles.read(path, count: KeyEncryptionKey.width) {
            return Opened(key: try KeyEncryptionKey(found, origin: .file(path)), isNew: false)
        }
        guard mayCreate else {
            throw SecretsError(
                .keyFileMissing, "open key file", path, "is not there, but sealed secrets are",
                hint: "restore it from its backup; without it the secrets cannot be opened")
        }
        let secret = try SecretBytes(random: KeyEncryptionKey.width)
        do throws(SystemError) {
            try Files.makeFolder(Files.folder(of: path), mode: 0o700)
        } catch {
            throw SecretsError(error, "make key file", hint: "name another path for the key file")
        }
        try SecretFiles.write(secret, to: path)
        return Opened(key: try KeyEncryptionKey(secret, origin: .file(path)), isNew: true)
    }

    /// What an operator must know about a new key file.
    public static func backupNotice(_ path: String) -> String {
        """
        Made the key file \(path).
        It opens every secret of this mesh's state. Copy it now to a safe place that is not where the state's
        backups are: without it the state's secrets are lost, and with it and the state anybody has them.
        """
    }

    /// Overwrites and removes the key file, with what a change that was cut short left beside it: what it sealed can
    /// never be opened again. True where there was one.
    @discardableResult
    public static func shred(_ path: String) throws(SecretsError) -> Bool {
        var found = false
        for file in [path, KeyFileChange.next(path), KeyFileChange.old(path)] {
            do throws(SystemError) { found = try Files.wipe(file) || found } catch {
                throw SecretsError(
                    error, "shred key file", hint: "remove it by hand: shred -u \(file)")
            }
        }
        return found
    }

    static func refuseInside(_ path: String, _ folder: String) throws(SecretsError) {
        let (path, folder) = (resolved(path), resolved(folder))
        guard path == folder || path.hasPrefix(folder == "/" ? "/" : folder + "/") else { return }
        throw SecretsError(
            .keyFileInState, "open key file", path,
            "lies in the state folder \(folder) that it protects",
            hint: "name a path outside, so that a copy of the folder does not hold its own key")
    }

    /// An absolute path with links resolved as far as it exists.
    private static func resolved(_ path: String) -> String {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        let parent = Files.folder(of: path)
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        // A path of which nothing exists, down to "." or "/", ends here.
        if parent == path || name.isEmpty { return path }
        if name == ".." { return resolved(Files.folder(of: parent)) }
        let base = resolved(parent)
        return name == "." ? base : base == "/" ? "/\(name)" : "\(base)/\(name)"
    }
}
