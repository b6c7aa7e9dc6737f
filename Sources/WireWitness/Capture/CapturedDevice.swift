import CLinux
import Glibc
import LinuxSystem
import MeshModel

/// One device that is listened on, and what is known of it so far. It belongs to one thread at a time.
final class CapturedDevice {
    private var ring: PacketRing
    /// What is told of it in the end.
    private(set) var facts: DeviceCapture
    /// Readable when there are frames.
    var descriptor: Int32 { ring.socket.number }
    /// Whether it was up when listening began.
    let wasUp: Bool
    private let isLoopback: Bool

    /// Listens on a link, or gives nil where it has gone away since it was looked at.
    init?(_ link: LinkFact, role: DeviceCapture.Role, sizes: RingSizes) throws(SystemError) {
        isLoopback = link.index == 1
        do throws(SystemError) {
            ring = try PacketRing(
                link.name, index: link.index, isLoopback: isLoopback, sizes: sizes)
        } catch {
            if error.errno == ENODEV || error.errno == ENXIO { return nil }
            throw error
        }
        // A device that is down says so at once; what comes after this is news.
        wasUp = ring.takeError() == 0
        let now = FactTime.now()
        facts = DeviceCapture(
            name: link.name, index: link.index, role: role, frames: 0, drops: 0, truncated: 0,
            began: now, ended: now, isAlive: wasUp)
    }

    /// Takes off what has come, and hands it over.
    func read(_ body: (UnsafeRawBufferPointer, Frame.Link, Int) -> Void) {
        var (frames, truncated): (UInt64, UInt64) = (0, 0)
        let isLoopback = isLoopback
        ring.drain { frame in
            if isLoopback && Int32(frame.kind) == Int32(CL_PACKET_OUTGOING) { return }
            frames += 1
            if frame.kept < frame.length { truncated += 1 }
            let hasEthernet =
                Int32(frame.hardware) == Int32(CL_HARDWARE_ETHER)
                || Int32(frame.hardware) == Int32(CL_HARDWARE_LOOPBACK)
            body(
                UnsafeRawBufferPointer(start: frame.bytes, count: Int(frame.kept)),
                hasEthernet
                    ? .ethernet
                    : .network(etherType: frame.protocol, offset: Int(frame.network)),
                Int(frame.length))
        }
        facts.frames += frames
        facts.truncated += truncated
    }

    /// Takes note of an error on the socket: the device went down, or away.
    func noteErrors() {
        if ring.takeError() != 0 { facts.isAlive = false }
    }

    /// Closes the account; nil for a device that was down all the time, by which nothing can have passed.
    func finish(at time: FactTime) -> DeviceCapture? {
        noteErrors()
        if let drops = ring.drops() { facts.drops += drops } else { facts.isAlive = false }
        let isUp = cl_device_is_up(ring.socket.number, facts.name) == 1
        if !isUp { facts.isAlive = false }
        facts.ended = time
        if !wasUp && !isUp && facts.frames == 0 && facts.role != .inside { return nil }
        return facts
    }
}

extension FactTime {
    /// This moment.
    static func now() -> FactTime { FactTime(wall: Clocks.wall(), monotonic: Clocks.monotonic()) }
}
