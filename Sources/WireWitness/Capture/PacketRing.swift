import CLinux
import Glibc
import LinuxSystem

/// One device's packet socket and the ring that the kernel puts its frames into; unmapped and closed when the owner goes.
///
/// *Source:* `packet(7)`, Documentation/networking/packet_mmap.rst (TPACKET_V3).
struct PacketRing: ~Copyable {
    /// How long a block waits to be filled before it is handed over. *Units:* milliseconds.
    static let patience: UInt32 = 10

    /// Readable when a block is.
    let socket: Descriptor
    private let memory: UnsafeMutableRawPointer
    private let sizes: RingSizes
    private var next: UInt32 = 0

    /// Opens a ring and listens on a device, both ways. *Privilege:* CAP_NET_RAW.
    ///
    /// - Parameter isLoopback: whether each frame would come twice, sent and received.
    init(_ name: String, index: Int32, isLoopback: Bool, sizes: RingSizes) throws(SystemError) {
        let (number, memory, sizes) = try Self.open(name, sizes)
        if cl_packet_bind(number, index, isLoopback ? 1 : 0) != 0 {
            let code = errno
            munmap(memory, Int(sizes.block) * Int(sizes.blocks))
            close(number)
            throw SystemError("listen on", name, errno: code)
        }
        self.memory = memory
        self.sizes = sizes
        socket = Descriptor(owning: number)
    }

    deinit { munmap(memory, Int(sizes.block) * Int(sizes.blocks)) }

    private static func open(
        _ name: String, _ wanted: RingSizes
    ) throws(SystemError) -> (Int32, UnsafeMutableRawPointer, RingSizes) {
        var sizes = wanted
        while true {
            var memory: UnsafeMutableRawPointer?
            let number = cl_packet_open(sizes.block, sizes.blocks, patience, &memory)
            let code = errno
            if number >= 0, let memory { return (number, memory, sizes) }
            // A smaller ring may drop, which is counted; none sees nothing.
            guard code == ENOMEM, let smaller = sizes.halved else {
                throw SystemError("open a packet socket for", name, errno: code)
            }
            sizes = smaller
        }
    }

    /// Hands over the frames of every block that is full, at most once around.
    mutating func drain(_ body: (cl_frame) -> Void) {
        for _ in 0..<sizes.blocks {
            let block = memory + Int(next) * Int(sizes.block)
            var cursor = cl_cursor()
            guard cl_block_open(block, sizes.block, &cursor) != 0 else { return }
            var frame = cl_frame()
            while cl_block_next(&cursor, &frame) != 0 { body(frame) }
            cl_block_close(block)
            next = (next + 1) % sizes.blocks
        }
    }

    /// Frames that the kernel had to drop since the last call. *Source:* `packet(7)`, PACKET_STATISTICS.
    func drops() -> UInt64? {
        var (packets, drops): (UInt32, UInt32) = (0, 0)
        guard cl_packet_statistics(socket.number, &packets, &drops) == 0 else { return nil }
        return UInt64(drops)
    }

    /// The error that waits on the socket, 0 for none; the device going down leaves ENETDOWN there.
    func takeError() -> Int32 { cl_socket_error(socket.number) }
}
