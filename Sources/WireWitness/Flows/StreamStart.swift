import MeshModel

/// How the two directions of a TCP connection begin, as far as that was seen.
struct StreamStart {
    /// What a direction may begin with, and what that makes it.
    private enum Beginning {
        static let ssh: UInt16 = 1
        static let tls: UInt16 = 0xfffe
        /// TLS's handshake or, from a server that refuses, its alert; Postgres asks first whether TLS is spoken.
        static let patterns: [[UInt8]] = {
            let handshake: [UInt8] = [0x16, 0x03]
            let wantTLS: [UInt8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]
            let wantGSS: [UInt8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]
            let (yes, no): ([UInt8], [UInt8]) = ([0x53], [0x4e])
            return [
                Array("SSH-".utf8), handshake, [0x15, 0x03], wantTLS + handshake, yes + handshake,
                wantGSS + wantTLS + handshake, no + yes + handshake,
            ]
        }()
        static let length = 18
    }

    private struct Direction {
        /// The number of its first byte of payload, where its opening was seen.
        var first: UInt32?
        /// The beginnings that it may still have.
        var possible: UInt16 = 0x7f
        /// How many bytes of its beginning were seen.
        var seen = 0
        /// Whether it had any payload at all.
        var hasPayload = false
    }

    /// Whether the first to speak only asked for a connection, and the other, if anything, refused it.
    private(set) var isAttempt = true
    private var forward = Direction()
    private var reverse = Direction()
    /// What is known of earlier connections of the same ports.
    private var earlier = (isNotSSH: false, isNotTLS: false, isUnknown: false)

    /// Takes in a segment. Its payload may be cut off.
    mutating func take(_ segment: Frame.Segment, isForward: Bool, _ payload: PacketBytes) {
        let isRequest = isForward && segment.isOpening && !segment.isAnswer
        if payload.count > 0 || !(isRequest || segment.isReset) { isAttempt = false }
        if segment.isOpening {
            open(segment.sequence &+ 1, isForward: isForward)
            if segment.isAnswer { learn(segment.acknowledged, isForward: !isForward) }
        }
        guard payload.count > 0 else { return }
        let sequence = segment.sequence &+ (segment.isOpening ? 1 : 0)
        if isForward {
            Self.match(&forward, sequence, payload)
        } else {
            Self.match(&reverse, sequence, payload)
        }
    }

    /// Whether something was seen that an SSH session does not begin with.
    var isNotSSH: Bool { earlier.isNotSSH || isNot(Beginning.ssh) }
    /// Whether something was seen that a TLS session does not begin with.
    var isNotTLS: Bool { earlier.isNotTLS || isNot(Beginning.tls) }

    /// How it looks from its beginning on; in doubt clear.
    var appearance: WireFlow.Appearance {
        func all(_ kind: UInt16, _ least: Int) -> Bool {
            [forward, reverse].allSatisfy {
                !$0.hasPayload || ($0.seen >= least && $0.possible & kind != 0)
            }
        }
        if earlier.isUnknown { return .clear }
        if !forward.hasPayload && !reverse.hasPayload { return .empty }
        if !earlier.isNotSSH && all(Beginning.ssh, 4) { return .ssh }
        return !earlier.isNotTLS && all(Beginning.tls, 2) ? .tls : .clear
    }

    private func isNot(_ kind: UInt16) -> Bool {
        forward.possible & kind == 0 || reverse.possible & kind == 0
    }

    private mutating func open(_ first: UInt32, isForward: Bool) {
        let old = isForward ? forward : reverse
        if old.first == first { return }
        if old.first != nil || old.hasPayload {
            // The ports are used again: what the last connection was is remembered.
            let isUnknown = [forward, reverse].contains { $0.hasPayload && $0.seen == 0 }
            earlier = (isNotSSH, isNotTLS, earlier.isUnknown || isUnknown)
            forward = Direction()
            reverse = Direction()
        }
        learn(first, isForward: isForward)
    }

    private mutating func learn(_ first: UInt32, isForward: Bool) {
        if isForward {
            if forward.first == nil { forward.first = first }
        } else if reverse.first == nil {
            reverse.first = first
        }
    }

    private static func match(
        _ direction: inout Direction, _ sequence: UInt32, _ payload: PacketBytes
    ) {
        direction.hasPayload = true
        guard let first = direction.first else { return }
        let start = Int(sequence &- first)
        if start >= Beginning.length { return }
        for (index, pattern) in Beginning.patterns.enumerated() {
            for offset in stride(from: start, to: pattern.count, by: 1) {
                guard let byte = payload.byte(offset - start) else { break }
                if pattern[offset] != byte {
                    direction.possible &= ~(1 << UInt16(index))
                    break
                }
            }
        }
        direction.seen = max(direction.seen, min(start + payload.count, Beginning.length))
    }
}
