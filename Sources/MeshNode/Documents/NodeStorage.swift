package import LinuxSystem
package import Secrets

/// The few things done to files. Each is atomic, so that a crash falls between two of them and never into one.
///
/// A test puts a fuse here, to stop the agent before any one of them.
package protocol NodeStorage: AnyObject {
    /// A file's bytes, or nil where there is none.
    func read(_ path: String) throws(SystemError) -> [UInt8]?
    /// Replaces a file, readable by root only.
    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError)
    /// Removes a file; a missing one is fine.
    func remove(_ path: String) throws(SystemError)
    /// Overwrites and removes a file; a missing one is fine.
    func wipe(_ path: String) throws(SystemError)
    /// The names in a folder; none where it is missing.
    func list(_ path: String) -> [String]
    /// A secret of 32 bytes, or nil where there is none.
    func readSecret(_ path: String) throws(SecretsError) -> SecretBytes?
    /// Replaces a secret's file.
    func writeSecret(_ secret: SecretBytes, to path: String) throws(SecretsError)
    /// Replaces a file with a secret's bytes as they are, readable by root only.
    func writeRaw(_ secret: SecretBytes, to path: String) throws(SystemError)
}

/// The file system.
package final class FileStorage: NodeStorage {
    /// The file system as it is.
    package init() {}

    package func read(_ path: String) throws(SystemError) -> [UInt8]? {
        try Files.readIfPresent(path)
    }

    package func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try Files.makeFolder(Files.folder(of: path))
        try Files.replace(path, with: bytes)
    }

    package func remove(_ path: String) throws(SystemError) {
        try Files.remove(path)
    }

    package func wipe(_ path: String) throws(SystemError) {
        try Files.wipe(path)
    }

    package func list(_ path: String) -> [String] {
        (try? Files.list(path)) ?? []
    }

    package func readSecret(_ path: String) throws(SecretsError) -> SecretBytes? {
        try SecretFiles.read(path, count: 32)
    }

    package func writeSecret(_ secret: SecretBytes, to path: String) throws(SecretsError) {
        do { try Files.makeFolder(Files.folder(of: path)) } catch {
            throw SecretsError(
                .system, "make folder", error.subject, error.description, errno: error.errno,
                hint: "make room, or mend the folder's permissions")
        }
        try SecretFiles.write(secret, to: path)
    }

    package func writeRaw(_ secret: SecretBytes, to path: String) throws(SystemError) {
        try Files.makeFolder(Files.folder(of: path))
        try secret.withBytes { (bytes) throws(SystemError) in
            try Files.replace(path, withRaw: bytes)
        }
    }
}
