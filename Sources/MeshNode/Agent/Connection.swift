import Glibc
import LinuxSystem
import NodeProtocol

/// One controller's connection: bytes in, frames out of them, one answer at a time.
///
/// *Shape:* until `hello` has been exchanged a frame may be no longer than ``greetingLimit``.
final class Connection {
    /// A greeting is some twenty bytes. *Units:* bytes.
    static let greetingLimit = 1_024
    /// Without any byte for so long in the midst of a frame or an answer, a connection ends. *Units:* seconds.
    static let stallLimit: Double = 30
    /// Without any request for so long it ends too. *Units:* seconds.
    static let idleLimit: Double = 900

    let number: UInt64
    let socket: Descriptor
    private var reader = FrameReader()
    private var received = 0
    private var output: [UInt8] = []
    private var sent = 0
    private var lastProgress: Double
    /// Whether the version was agreed on.
    var isGreeted = false
    /// Whether it ends once the last answer is out.
    var isClosing = false

    init(number: UInt64, socket: consuming Descriptor, now: Double) {
        self.number = number
        self.socket = socket
        lastProgress = now
    }

    /// Whether an answer is still on its way; no further request is read meanwhile.
    var isSending: Bool { sent < output.count }

    /// When it ends if nothing comes. *Units:* monotonic seconds.
    var deadline: Double {
        lastProgress + (isSending || reader.isMidFrame ? Self.stallLimit : Self.idleLimit)
    }

    /// Takes in what is there, at most a chunk; false at the end of the stream.
    func receive(now: Double) -> Bool {
        var chunk: [UInt8]
        do { chunk = try IO.read(socket.number) } catch { return error.errno == EAGAIN }
        if chunk.isEmpty { return false }
        lastProgress = now
        received += chunk.count
        reader.append(chunk)
        // It may have held a preshared key.
        chunk.wipe()
        return isGreeted || received <= Self.greetingLimit
    }

    /// The next whole request, or nil where more bytes are needed.
    func next() throws(ProtocolError) -> Request? {
        guard var frame = try reader.next() else { return nil }
        defer { frame.wipe() }
        return try Wire.decode(Request.self, from: frame)
    }

    /// Queues an answer and sends what goes at once; false where the connection is broken.
    func send(_ response: Response, now: Double) -> Bool {
        let frame: [UInt8]
        do { frame = try FrameReader.frame(try Wire.encode(response)) } catch {
            guard let small = try? Wire.encode(Response.refused(error)),
                let refusal = try? FrameReader.frame(small)
            else { return false }
            output = refusal
            sent = 0
            return flush(now: now)
        }
        output = frame
        sent = 0
        return flush(now: now)
    }

    /// Sends on; false where the connection is broken.
    func flush(now: Double) -> Bool {
        guard let count = IO.sendNow(socket.number, output, from: sent) else { return false }
        if count > 0 { lastProgress = now }
        sent += count
        if isSending { return true }
        output = []
        sent = 0
        return true
    }
}
