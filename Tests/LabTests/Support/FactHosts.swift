import Glibc
import LinuxSystem
import MeshModel
import Testing

/// This thread's network namespace as a node `a`, and another as its neighbour `b`: a real network between them, and a mesh
/// interface on `a`. No WireGuard: facts about routes and sockets do not depend on it.
final class FactHosts {
    let other: Child
    private var helpers: [Int32] = []
    private let folder = "/tmp/meshproof-facts-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init() throws {
        try Files.makeFolder(folder)
        other = try Child(["unshare", "--net", "sleep", "600"], newSession: true)
        let own = try run("readlink /proc/thread-self/ns/net")
        _ = LabMesh.wait(10) { (try? run("readlink /proc/\(other.pid)/ns/net")) != own }
        try sh(
            """
            ip link set lo up
            ip link add eth0 type veth peer name eth0 netns \(other.pid)
            ip addr add 192.0.2.1/24 dev eth0
            ip addr add 2001:db8::1/64 dev eth0 nodad
            ip link set eth0 up
            ip link add mp0-home type veth peer name far
            ip link set mp0-home group \(Ownership.linkGroup) up
            ip link set far up
            ip addr add 10.77.0.1/32 dev mp0-home
            ip route add 10.77.0.2/32 dev mp0-home src 10.77.0.1 proto 109 metric 100
            ip route add unreachable 10.77.0.0/24 proto 109 metric 2147483392
            """)
        try there(
            "ip link set lo up; ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up;"
                + "ip addr add 2001:db8::2/64 dev eth0 nodad")
    }

    deinit {
        for pid in helpers { kill(pid, SIGKILL) }
        kill(-other.pid, SIGKILL)
        kill(other.pid, SIGKILL)
        _ = try? other.wait()
        try? Files.removeTree(folder)
    }

    /// The inode of the neighbour's namespace.
    var otherNamespace: UInt64 { FileID("/proc/\(other.pid)/ns/net")?.inode ?? 0 }

    @discardableResult
    func sh(_ script: String) throws -> String { try Self.checked(["sh", "-ec", script], script) }

    @discardableResult
    func there(_ script: String) throws -> String {
        try Self.checked(["nsenter", "-t", "\(other.pid)", "-n", "sh", "-ec", script], script)
    }

    private static func checked(_ words: [String], _ script: String) throws -> String {
        let result = try Child.run(words)
        try #require(result.status.isSuccess, "\(script): \(result.errorText)")
        return result.text
    }

    /// Runs Python, here or there, that makes sockets and then waits; returns its process once they are made.
    @discardableResult
    func python(_ script: String, there isThere: Bool = false) throws -> Int32 {
        let mark = "\(folder)/\(helpers.count)"
        let text = """
            import socket, os, time
            \(script)
            open('\(mark).new', 'w').write(str(os.getpid()))
            os.rename('\(mark).new', '\(mark)')
            time.sleep(600)
            """
        try Files.replace("\(mark).py", with: Array(text.utf8), mode: 0o644)
        chmod(folder, 0o777)
        let way = isThere ? "nsenter -t \(other.pid) -n" : ""
        try sh("\(way) /usr/bin/python3 \(mark).py >/dev/null 2>\(mark).log & echo started")
        let isMade = LabMesh.wait(20) { Files.exists(mark) }
        let log = String(decoding: (try? Files.read("\(mark).log")) ?? [], as: UTF8.self)
        try #require(isMade, "\(log)")
        let pid = try #require(Int32(String(decoding: try Files.read(mark), as: UTF8.self)))
        helpers.append(pid)
        return pid
    }

    /// A program that stands in for our own in other namespaces.
    func program(_ script: String) throws -> String {
        let path = "\(folder)/program"
        try Files.replace(path, with: Array("#!/bin/sh\n\(script)\n".utf8), mode: 0o755)
        return path
    }

    /// An order for node `a`.
    static func order(flows: [FlowQuestion] = [], ports: [UInt16] = []) throws -> WitnessOrder {
        func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
        return WitnessOrder(
            nonce: "00", meshID: "01", node: "a",
            hosts: [
                HostFace(
                    node: "a", underlay: [try address("192.0.2.1")],
                    overlay: [try address("10.77.0.1")], hardware: []),
                HostFace(
                    node: "b", underlay: [try address("192.0.2.2")],
                    overlay: [try address("10.77.0.2"), try address("fd77::2")], hardware: []),
            ],
            allowed: [], canaryPrefix: "c", controlPrefix: "d", controlTargets: [], flows: flows,
            ports: ports)
    }
}
