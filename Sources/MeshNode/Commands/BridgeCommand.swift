import Glibc
import LinuxSystem

/// `node bridge`: standard input and output to and from the agent's socket, until either side ends.
enum BridgeCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let folders = try NodeArguments(arguments, options: ["--mesh"]).folders()
        guard Files.exists(folders.identity) else {
            throw NodeError(
                .notEnrolled, "find mesh", folders.mesh, "this node is not enrolled in it",
                hint: "run `meshproof up` on the controller")
        }
        let socket: Descriptor
        do { socket = try AgentSocket.connect(folders.socket) } catch {
            throw NodeError(
                .agentSilent, "reach agent", folders.mesh, error.description,
                hint: "run `meshproof up`, which starts it again")
        }
        do { try copy(socket.number) } catch { throw NodeError("bridge", error) }
        return 0
    }

    private static func copy(_ socket: Int32) throws(SystemError) {
        var input: Int32 = 0
        while true {
            var entries = [
                pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input, events: Int16(POLLIN), revents: 0),
            ]
            try check("poll") { poll(&entries, 2, -1) }
            if entries[0].revents != 0 {
                guard let chunk = try? IO.read(socket), !chunk.isEmpty else { return }
                do { try IO.writeAll(1, chunk) } catch {
                    if error.errno == EPIPE { return }
                    throw error
                }
            }
            if entries[1].revents != 0 {
                let chunk = (try? IO.read(0)) ?? []
                if chunk.isEmpty {
                    // What was asked is still answered; then the agent ends the connection.
                    input = -1
                    shutdown(socket, Int32(SHUT_WR))
                } else if (try? IO.writeAll(socket, chunk)) == nil {
                    return
                }
            }
        }
    }
}
