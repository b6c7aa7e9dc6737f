import LinuxSystem
import NodeProtocol

/// `node witness`: one run of `verify` on this node, asked over standard input and answered on standard output.
///
/// A process of its own, alive for one run: looking at every namespace, at the wire and at other users' processes takes
/// rights that the agent does not have and must not get.
enum WitnessCommand {
    /// A run that is not over by then has lost its controller. *Units:* seconds.
    private static let idleLimit: Double = 900

    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let folders = try NodeArguments(arguments, options: ["--mesh"]).folders()
        let identity = try NodeCommands.identity(folders, FileStorage())
        let session = WitnessSession(identity, folders)
        do { try converse(session) } catch { throw NodeError("talk to the controller", error) }
        return 0
    }

    private static func converse(_ session: WitnessSession) throws(SystemError) {
        var reader = FrameReader()
        while true {
            let request: WitnessRequest?
            do throws(ProtocolError) {
                request = try reader.next().map { (frame) throws(ProtocolError) in
                    try Wire.decode(WitnessRequest.self, from: frame)
                }
            } catch {
                try send(.refused(error))
                return
            }
            guard let request else {
                guard try IO.wait(0, milliseconds: Int32(idleLimit * 1000)) else { return }
                let bytes = try IO.read(0)
                if bytes.isEmpty { return }
                reader.append(bytes)
                continue
            }
            try send(session.answer(request))
            if case .finish = request { return }
        }
    }

    private static func send(_ response: WitnessResponse) throws(SystemError) {
        let frame: [UInt8]
        do { frame = try FrameReader.frame(try Wire.encode(response)) } catch {
            // Only facts can be too large; what is said instead is not.
            guard let small = try? Wire.encode(WitnessResponse.refused(error)),
                let refusal = try? FrameReader.frame(small)
            else { return }
            try IO.writeAll(1, refusal)
            return
        }
        try IO.writeAll(1, frame)
    }
}
