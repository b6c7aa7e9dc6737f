import Glibc
import LinuxSystem

/// A file that is written to by its descriptor.
struct OpenFile: ~Copyable {
    private let descriptor: Descriptor

    init(_ path: String) throws(SystemError) {
        descriptor = Descriptor(
            owning: try check("open", path) {
                open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            })
    }

    var number: Int32 { descriptor.number }
}
