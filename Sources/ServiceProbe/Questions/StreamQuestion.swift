import LinuxSystem
import MeshModel

/// Questions that need hardly any protocol.
enum StreamQuestion {
    /// A line with the canary, and whatever comes back within 0.3 s. That it took the connection is the answer.
    static func putLine(_ stream: any ProbeStream) throws(ProbeEnd) -> ProbeEnd {
        let canary = try stream.attempt.canary()
        try stream.send(canary + [10])
        let answer = try stream.gather(until: Clocks.monotonic() + 0.3) { !$0.isEmpty }
        if !answer.bytes.isEmpty {
            return ProbeEnd(.answered, "it says: \(shown(answer.bytes))")
        }
        return ProbeEnd(
            .answered,
            answer.ending.isEmpty
                ? "it took the connection" : "it took the connection and \(answer.ending)")
    }

    /// The NULL procedure of NFS version 4.
    static func putNFS(_ stream: any ProbeStream) throws(ProbeEnd) -> ProbeEnd {
        let request = Probe.nfsNull.request(host: "")
        try stream.send(request)
        // Record mark, our xid, REPLY, and whether it was accepted. *Source:* RFC 5531 sections 9 and 11.
        let answer = try stream.gather(limit: 1_024) { bytes in
            bytes.count >= 16 || !request[4..<8].starts(with: bytes.dropFirst(4).prefix(4))
        }
        let bytes = answer.bytes
        guard bytes.count >= 16, bytes[0] & 0x80 != 0, bytes[4..<8] == request[4..<8],
            bytes[8..<12].elementsEqual([0, 0, 0, 1]), bytes[12..<15].elementsEqual([0, 0, 0]),
            bytes[15] <= 1
        else { throw answer.failure("it does not answer as NFS does") }
        return bytes[15] == 0
            ? ProbeEnd(.answered, "it answers the NULL procedure")
            : ProbeEnd(.refused, "it denies the NULL procedure")
    }
}
