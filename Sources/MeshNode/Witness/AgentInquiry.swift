import LinuxSystem
import MeshModel
import NodeProtocol

/// Asks this node's own agent how it is.
enum AgentInquiry {
    /// Longer than a look at a busy node takes. *Units:* seconds.
    private static let patience: Double = 10

    /// What the agent says of what it keeps.
    static func facts(_ folders: NodeFolders) throws(NodeError) -> AgentFacts {
        let report = try ask(folders)
        return AgentFacts(
            revision: report.hello.revision, drift: report.drift.map(\.change.summary),
            tunnels: report.observed.tunnels, tunnelServer: report.observed.tunnelServer,
            guard: report.observed.guard)
    }

    private static func ask(_ folders: NodeFolders) throws(NodeError) -> NodeReport {
        let socket: Descriptor
        do { socket = try AgentSocket.connect(folders.socket) } catch {
            throw silent(folders, error.description)
        }
        do {
            var reader = FrameReader()
            guard
                case .hello = try exchange(
                    .hello(version: ProtocolVersion.current), socket.number, &reader),
                case .observed(let report) = try exchange(.observe, socket.number, &reader)
            else { throw silent(folders, "it answers something else") }
            return report
        } catch let error as NodeError {
            throw error
        } catch {
            throw silent(folders, "\(error)")
        }
    }

    private static func exchange(
        _ request: Request, _ socket: Int32, _ reader: inout FrameReader
    ) throws -> Response {
        try IO.writeAll(socket, try FrameReader.frame(try Wire.encode(request)))
        let deadline = Clocks.monotonic() + patience
        while true {
            if let frame = try reader.next() { return try Wire.decode(Response.self, from: frame) }
            let left = deadline - Clocks.monotonic()
            guard left > 0, try IO.wait(socket, milliseconds: Int32(left * 1000)) else {
                throw ProtocolError(.failed, "it has not answered for \(Int(patience)) s")
            }
            let bytes = try IO.read(socket)
            if bytes.isEmpty { throw ProtocolError(.failed, "it hung up") }
            reader.append(bytes)
        }
    }

    private static func silent(_ folders: NodeFolders, _ why: String) -> NodeError {
        NodeError(
            .agentSilent, "ask the agent", folders.mesh, why,
            hint: "run `meshproof up`, which starts it again")
    }
}
