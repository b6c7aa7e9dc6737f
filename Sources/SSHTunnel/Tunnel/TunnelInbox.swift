import LinuxSystem
import MeshModel
import Synchronization

/// What others want of a tunnel's thread.
final class TunnelInbox: Sendable {
    enum Command {
        case wake
        case restart
        case change(DesiredTunnel, identityFile: String, drain: Double)
        case stop(drain: Double)
    }

    struct Letter {
        let command: Command
        /// Rung once it is done.
        let receipt: Bell?
    }

    /// Readable while there are letters.
    let bell: Bell
    private let letters = Mutex<[Letter]?>([])

    init(bell: Bell) { self.bell = bell }

    func send(_ command: Command, receipt: Bell? = nil) {
        let isTaken = letters.withLock { letters in
            letters?.append(Letter(command: command, receipt: receipt))
            return letters != nil
        }
        if isTaken { bell.ring() } else { receipt?.ring() }
    }

    /// Returns when the command is carried out, or will not be because the tunnel has been stopped.
    func sendAndWait(_ command: Command) {
        let receipt = try? Bell()
        send(command, receipt: receipt)
        if let receipt { _ = try? IO.wait(receipt.number, milliseconds: -1) }
    }

    func take() -> [Letter] {
        bell.silence()
        return letters.withLock { letters in
            defer { if letters != nil { letters = [] } }
            return letters ?? []
        }
    }

    /// Nobody reads any more.
    func close() {
        let rest = letters.withLock { letters in
            defer { letters = nil }
            return letters ?? []
        }
        for letter in rest { letter.receipt?.ring() }
    }
}
