import CLinux
import Glibc
import LinuxSystem
import MeshModel
import Netlink
import Synchronization
import Testing
import WireWitness

/// Two network namespaces with a cable between them: this thread's, alpha, and another, beta. Each end is called eth0.
final class TwoEnds: Sendable {
    /// The process that holds beta's namespace.
    private let pid: Int32

    init() throws {
        let other = try Child(["unshare", "--net", "sleep", "600"], newSession: true)
        pid = other.pid
        let pid = pid
        let own = try run("readlink /proc/thread-self/ns/net")
        _ = LabMesh.wait(10) { (try? run("readlink /proc/\(pid)/ns/net")) != own }
        try run("ip link set lo up")
        try run("ip link add eth0 type veth peer name eth0 netns \(pid)")
        for (prefix, number) in [("ip", 1), ("nsenter -t \(pid) -n ip", 2)] {
            try run("\(prefix) addr add 192.0.2.\(number)/24 dev eth0")
            try run("\(prefix) addr add 2001:db8::\(number)/64 dev eth0 nodad")
            try run("\(prefix) link set eth0 up")
        }
        // A link that has just come up may lose the question who has an address, which is asked again only later.
        for address in ["192.0.2.2", "2001:db8::2"] {
            let isReached = LabMesh.wait(20) { (try? run("ping -c 1 -W 1 \(address)")) != nil }
            #expect(isReached)
        }
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// What is asked of a node's witness.
    func order(_ node: String) -> WitnessOrder {
        func face(_ node: String, _ number: Int) -> HostFace {
            HostFace(
                node: node,
                underlay: ["192.0.2.\(number)", "2001:db8::\(number)"].compactMap(IPAddress.init),
                overlay: [], hardware: [])
        }
        let other = node == "alpha" ? 2 : 1
        return WitnessOrder(
            nonce: String(repeating: "0", count: 32), meshID: "m", node: node,
            hosts: [face("alpha", 1), face("beta", 2)], allowed: [], canaryPrefix: "mpcanary-",
            controlPrefix: "mpcontrol-",
            controlTargets: ["192.0.2.\(other):9", "[2001:db8::\(other)]:9"].compactMap(
                SocketEndpoint.init), flows: [], ports: [], captureLimit: 16 << 20)
    }

    /// The links of this thread's namespace.
    static func links() throws -> [LinkFact] {
        let socket = RouteSocket()
        let addresses = Dictionary(grouping: try socket.addresses(), by: \.index)
        return try socket.links().map { link in
            LinkFact(
                index: link.index, name: link.name, kind: link.kind, group: link.group,
                mtu: link.mtu, isUp: link.isUp, master: link.master, hardware: nil,
                addresses: addresses[link.index, default: []].map(\.prefix))
        }
    }

    /// A witness in this thread's namespace.
    func witness(_ node: String = "alpha") throws -> Witness {
        try Witness(order: order(node), links: Self.links(), interfaces: [])
    }

    /// Runs `body` on a thread of its own in beta's namespace.
    func there<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let result = Mutex<Result<Value, any Error>?>(nil)
        let pid = pid
        let worker = try Worker("beta", stackBytes: 8 << 20) {
            let value = Result {
                let number = try check("open") {
                    cl_open("/proc/\(pid)/ns/net", O_RDONLY | O_CLOEXEC, 0)
                }
                let namespace = Descriptor(owning: number)
                try check("setns") { cl_setns(namespace.number, Int32(CL_NEWNET)) }
                return try body()
            }
            result.withLock { $0 = value }
        }
        worker.join()
        return try #require(result.withLock { $0 }).get()
    }

    /// Sends datagrams from this thread's namespace.
    static func send(_ payload: [UInt8], to place: String, count: Int = 1) throws {
        let target = try #require(SocketEndpoint(place))
        let isFour = target.address.family == .ipv4
        let number = try check("socket") {
            Glibc.socket(isFour ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue), 0)
        }
        let socket = Descriptor(owning: number)
        let address = target.address.bytes
        for _ in 0..<count {
            try check("send") {
                cl_send_datagram(
                    socket.number, address, Int32(address.count), target.port, payload,
                    payload.count)
            }
        }
    }
}
