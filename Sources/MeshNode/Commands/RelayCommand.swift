import CLinux
import Glibc
import JoinChannel
import LinuxSystem
import NodeProtocol

/// `node relay`: listens for a node that joins, and passes its connections' bytes on over standard input and output.
///
/// It has no key, and gives root up for `nobody` as soon as it listens. It ends with its standard input, and by itself
/// after so many seconds.
enum RelayCommand {
    /// *Source:* Debian's base-passwd: nobody and nogroup.
    private static let nobody: UInt32 = 65_534

    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(arguments, options: ["--listen", "--seconds"])
        guard let wanted = UInt16(try options.value("--listen")),
            let seconds = Double(try options.value("--seconds")), (1...90_000).contains(seconds)
        else {
            throw NodeError(
                .usage, "read arguments", "", "--listen wants a port and --seconds a number")
        }
        let listening: [Int32]
        do { listening = try listen(wanted) } catch {
            throw NodeError(
                .usage, "relay", "", error.message, hint: "name another port behind the node")
        }
        let port = JoinSockets.port(of: listening[0])
        // No new rights by any program, though none is run. *Source:* prctl(2), PR_SET_NO_NEW_PRIVS.
        guard cl_prctl(38, 1, 0) == 0, cl_become(nobody, nobody, nil) == 0, geteuid() == nobody
        else {
            throw NodeError(.notPermitted, "give up root", "", SystemError.text(errno))
        }
        var loop = RelayLoop(
            listening: listening, until: Clocks.monotonic() + seconds)
        do { try loop.run(port: port) } catch { throw NodeError("relay", error) }
        return 0
    }

    /// IPv4 and, where there is any, IPv6 on the same port.
    private static func listen(_ port: UInt16) throws(JoinChannelError) -> [Int32] {
        let first = try JoinSockets.listen(on: "0.0.0.0", port: port).release()
        let same = JoinSockets.port(of: first)
        let second: Int32
        do throws(JoinChannelError) {
            second = try JoinSockets.listen(on: "::", port: same).release()
        } catch { return [first] }
        return [first, second]
    }
}
