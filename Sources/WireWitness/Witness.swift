import CLinux
import Glibc
import LinuxSystem
public import MeshModel
import Synchronization

/// Listens on every device of the current network namespace, and tells what passed between machines of the mesh, where
/// canaries were seen, and whether it missed anything.
///
/// It sees what the kernel's packet taps see: frames of both ways, before filters and after routing. It does not see what a
/// program on this host sends past the taps (PACKET_QDISC_BYPASS, AF_XDP, RDMA, DPDK), nor what XDP takes away or turns
/// back; the tap of the machine that receives it does. A device that is made later is not listened on, and is told of
/// as one where listening failed.
public final class Witness: Sendable {
    private let order: WitnessOrder
    private let interfaces: [ObservedInterface]
    private let leading: Set<String>
    private let watched: Set<Int32>
    private let loop: CaptureLoop
    private let reader: Worker
    /// For the control datagrams: made where the devices are, whichever thread asks for them.
    private let senders: [IPAddress.Family: SharedDescriptor]
    private let result = Mutex<CaptureFacts?>(nil)

    private final class SharedDescriptor: Sendable {
        let descriptor: Descriptor
        init(_ number: Int32) { descriptor = Descriptor(owning: number) }
    }

    /// How long nothing may come before a capture is taken for quiet. *Units:* seconds.
    private static let quiet = 0.15

    /// Opens every device of the current network namespace and starts a thread of its own that reads them.
    ///
    /// - Parameters:
    ///   - links: the namespace's links with their addresses.
    ///   - interfaces: the mesh's interfaces, for where their peers are.
    ///   - underlayDevices: names of devices that routes say lead to other machines, besides those that their addresses
    ///     and kinds say.
    ///
    /// *Privilege:* CAP_NET_RAW.
    public init(
        order: WitnessOrder, links: [LinkFact], interfaces: [ObservedInterface],
        underlayDevices: Set<String> = []
    ) throws(WitnessError) {
        self.order = order
        self.interfaces = interfaces
        leading = underlayDevices
        watched = Set(links.map(\.index))
        let roles = Self.roles(order, links, interfaces, underlayDevices)
        let counts = roles.values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        let shares = RingSizes.shares(counts, limit: order.captureLimit)
        var devices: [CapturedDevice] = []
        var seen: [Examiner.Device] = []
        do throws(SystemError) {
            senders = Self.openSenders()
            for link in links {
                let role = roles[link.index] ?? .underlay
                guard let sizes = shares[role],
                    let device = try CapturedDevice(link, role: role, sizes: sizes)
                else { continue }
                devices.append(device)
                seen.append(
                    Examiner.Device(name: link.name, role: role, mtu: Int(clamping: link.mtu)))
            }
            let loop = try CaptureLoop(devices, Examiner(order, devices: seen))
            self.loop = loop
            reader = try Worker("witness") { loop.run() }
        } catch {
            throw WitnessError(error)
        }
    }

    deinit {
        loop.stop()
        reader.join()
    }

    /// Sends one datagram in clear to each of the order's control targets: the positive control of the capture. All are
    /// tried before a failure is told.
    public func sendControls() throws(WitnessError) {
        let text = Array((order.controlPrefix + order.node).utf8)
        var failure: SystemError?
        for target in order.controlTargets {
            do throws(SystemError) {
                guard let sender = senders[target.address.family] else {
                    throw SystemError("send to", "\(target)", errno: EAFNOSUPPORT)
                }
                let address = target.address.bytes
                try check("send to", "\(target)") {
                    cl_send_datagram(
                        sender.descriptor.number, address, Int32(address.count), target.port,
                        text, text.count)
                }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw WitnessError(failure, .unsent) }
    }

    /// Waits until nothing has come for a moment, or for `settle` seconds; then stops, and sums up.
    ///
    /// - Parameters:
    ///   - links: the namespace's links now; one that was not listened on is told of as not alive.
    ///   - interfaces: the mesh's interfaces now, for peers that have moved meanwhile.
    ///
    /// *Idempotency:* a second call gives the same.
    public func finish(
        settle: Double, links: [LinkFact] = [], interfaces: [ObservedInterface] = []
    ) -> CaptureFacts {
        result.withLock { known in
            if let known { return known }
            let asked = Clocks.monotonic()
            while Clocks.monotonic() - asked < settle,
                Clocks.monotonic() - max(loop.lastSeen(), asked) < Self.quiet
            {
                Clocks.sleep(0.01)
            }
            loop.stop()
            reader.join()
            let facts = loop.facts(
                learnt: LearntEndpoints(self.interfaces + interfaces, order),
                unseen: unseen(links, interfaces))
            known = facts
            return facts
        }
    }

    /// Devices that have come since, as captures that saw nothing.
    private func unseen(_ links: [LinkFact], _ interfaces: [ObservedInterface]) -> [DeviceCapture] {
        let roles = Self.roles(order, links, self.interfaces + interfaces, leading)
        let now = FactTime.now()
        return links.filter { !watched.contains($0.index) && $0.isUp }.map {
            DeviceCapture(
                name: $0.name, index: $0.index, role: roles[$0.index] ?? .underlay, frames: 0,
                drops: 0, truncated: 0, began: now, ended: now, isAlive: false)
        }
    }

    private static func roles(
        _ order: WitnessOrder, _ links: [LinkFact], _ interfaces: [ObservedInterface],
        _ leading: Set<String>
    ) -> [Int32: DeviceCapture.Role] {
        let own = order.hosts.filter { $0.node == order.node }.flatMap(\.underlay)
        // An address that we have too is a container bridge's, or one that moves; a link-local one is on every link.
        let others = order.hosts.filter { $0.node != order.node }.flatMap(\.underlay)
            .filter { !own.contains($0) && !$0.isLinkLocal }
        let genuine = interfaces.filter { $0.kind == .kernel || $0.kind == .userspace }
        return DeviceRoles.roles(
            links, others: others, leading: leading, own: Set(genuine.map(\.name)))
    }

    private static func openSenders() -> [IPAddress.Family: SharedDescriptor] {
        var senders: [IPAddress.Family: SharedDescriptor] = [:]
        for (family, domain) in [(IPAddress.Family.ipv4, AF_INET), (.ipv6, AF_INET6)] {
            let number = Glibc.socket(
                domain, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            // A kernel without IPv6 is no failure until there is somebody to send to.
            if number < 0 { continue }
            senders[family] = SharedDescriptor(number)
        }
        return senders
    }
}
