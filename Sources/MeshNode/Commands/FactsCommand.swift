import CLinux
import Glibc
import LinuxSystem
import NodeProtocol

/// `node facts --netns PATH`: the sockets of another network namespace, for ``HostSockets``.
///
/// A process of its own, because a thread that has changed namespace may have others made in it. It goes there before it
/// does anything else. *Shape:* prints a ``NamespaceReading``, JSON on one line.
enum FactsCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let path = try NodeArguments(arguments, options: ["--netns"]).value("--netns")
        do throws(SystemError) { try enter(path) } catch {
            throw NodeError(.kernel, "enter network namespace", path, error.description)
        }
        let reading = try NamespaceReading.take()
        do { try IO.writeAll(1, try Wire.encode(reading) + [10]) } catch {
            throw NodeError(.storage, "print answer", "", "\(error)")
        }
        return 0
    }

    private static func enter(_ path: String) throws(SystemError) {
        let file = Descriptor(
            owning: try check("open", path) { cl_open(path, O_RDONLY | O_CLOEXEC, 0) })
        let number = file.number
        try check("setns", path) { cl_setns(number, Int32(CL_NEWNET)) }
    }
}
