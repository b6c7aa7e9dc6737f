import CLinux
import LinuxSystem
import MeshModel
import Synchronization

/// The thread's side of a capture: takes frames off all rings and shows them to the examiner.
///
/// Made by the thread that opens the devices, then used by the reading thread alone until that has ended, and only then by
/// the one that sums up.
final class CaptureLoop: @unchecked Sendable {
    private let devices: [CapturedDevice]
    private var examiner: Examiner
    private var captures: [DeviceCapture] = []
    private let events: EventLoop
    private let bell: Bell
    private let lastFrame = Mutex(Clocks.monotonic())
    private static let bellToken = UInt64.max
    /// Twice around the kernel's own timer and a little more: by then every open block has been handed over.
    private static let flush = Double(PacketRing.patience) * 4 / 1000

    init(_ devices: [CapturedDevice], _ examiner: Examiner) throws(SystemError) {
        self.devices = devices
        self.examiner = examiner
        events = try EventLoop()
        bell = try Bell()
        try events.add(bell.number, token: Self.bellToken)
        for (index, device) in devices.enumerated() {
            try events.add(device.descriptor, token: UInt64(index))
        }
    }

    /// When a frame was last taken off any ring. *Units:* seconds of the monotonic clock. From any thread.
    func lastSeen() -> Double { lastFrame.withLock { $0 } }

    /// Ends ``run()`` soon. From any thread.
    func stop() { bell.ring() }

    /// Reads until it is stopped, then takes off what had come by then.
    func run() {
        // Frames are lost while others are let go first.
        cl_hurry_thread(-10)
        var stopped: FactTime?
        var failed = false
        while !failed {
            var left: Int32 = -1
            if let stopped {
                let deadline = stopped.monotonic + Self.flush
                left = Int32(max((deadline - Clocks.monotonic()) * 1000, 0))
                if left == 0 { break }
            }
            var ready: [EventLoop.Event] = []
            do throws(SystemError) {
                ready = try events.wait(milliseconds: left)
            } catch {
                failed = true
            }
            for event in ready {
                if event.token == Self.bellToken {
                    bell.silence()
                    stopped = stopped ?? FactTime.now()
                } else {
                    read(Int(event.token))
                    if event.closed { devices[Int(event.token)].noteErrors() }
                }
            }
        }
        let ended = stopped ?? FactTime.now()
        for index in devices.indices {
            read(index)
            guard var capture = devices[index].finish(at: ended) else { continue }
            if failed { capture.isAlive = false }
            captures.append(capture)
        }
    }

    /// Sums up. Only after ``run()`` has ended.
    func facts(learnt: LearntEndpoints, unseen: [DeviceCapture]) -> CaptureFacts {
        examiner.facts(captures + unseen, learnt)
    }

    private func read(_ index: Int) {
        let before = devices[index].facts.frames
        devices[index].read { bytes, link, length in
            examiner.take(bytes, link: link, device: index, length: length)
        }
        if devices[index].facts.frames != before {
            let now = Clocks.monotonic()
            lastFrame.withLock { $0 = now }
        }
    }
}
