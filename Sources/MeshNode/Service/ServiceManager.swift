import Glibc
import LinuxSystem

/// Tells systemd how the agent is. Without systemd it does nothing.
///
/// *Source:* sd_notify(3): datagrams of `KEY=value` lines to the unix socket that `$NOTIFY_SOCKET` names.
package struct ServiceManager: Sendable {
    private let socketPath: String?
    /// How often ``watchdog()`` is to be called: half of what the unit allows. *Units:* seconds; nil for never.
    package let watchdogInterval: Double?

    /// What the environment says.
    package init() {
        self.init(
            socketPath: Self.variable("NOTIFY_SOCKET"), watchdog: Self.variable("WATCHDOG_USEC"),
            watchdogProcess: Self.variable("WATCHDOG_PID"), process: getpid())
    }

    /// For these values of the environment.
    package init(socketPath: String?, watchdog: String?, watchdogProcess: String?, process: Int32) {
        let path = socketPath.flatMap { $0.first == "/" || $0.first == "@" ? $0 : nil }
        self.socketPath = path
        let isForUs = watchdogProcess.map { $0 == "\(process)" } ?? true
        let period = watchdog.flatMap { UInt64($0) }.map { Double($0) / 2_000_000 }
        watchdogInterval = path != nil && isForUs ? period.flatMap { $0 > 0 ? $0 : nil } : nil
    }

    /// The agent answers.
    package func ready() { tell("READY=1") }
    /// The agent is alive.
    package func watchdog() { tell("WATCHDOG=1") }
    /// The agent is about to end.
    package func stopping() { tell("STOPPING=1") }

    private func tell(_ text: String) {
        guard let socketPath else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socketPath.utf8)
        // A leading @ stands for the zero byte of an abstract address, which has no ending zero of its own.
        let isAbstract = name[0] == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 }
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard name.count < room else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = MemoryLayout<sockaddr_un>.size - room + name.count + (isAbstract ? 0 : 1)
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return }
        let sender = Descriptor(owning: number)
        let bytes = Array(text.utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                sendto(
                    sender.number, bytes, bytes.count, Int32(MSG_NOSIGNAL), generic,
                    socklen_t(length))
            }
        }
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
