import Glibc

/// Which file it is, whatever its name. *Source:* stat(2).
public struct FileID: Hashable, Sendable {
    /// The device that it is on.
    public let device: UInt64
    /// Its number there.
    public let inode: UInt64

    /// What `path` leads to, or nil.
    public init?(_ path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
    }
}
