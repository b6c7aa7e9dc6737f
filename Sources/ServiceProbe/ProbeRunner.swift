import CLinux
import Glibc
import LinuxSystem
public import MeshModel
import NodeProtocol
import Synchronization

/// Puts probes: harmless questions, only ever to the addresses in the orders.
public enum ProbeRunner {
    /// Gives the file of the node's own SSH client key whose public half this is, or nil.
    public typealias KeyFinder = @Sendable (PublicKey) -> String?

    /// Where the files of TLS edges are that have no leading slash.
    public static let tlsFolder = "/etc/meshproof/tls"

    /// How many connections are made at once. The threads only wait.
    private static let limit = 256

    /// Puts all probes at the same time and waits for the last. Never throws: what cannot be put is a fact with the
    /// outcome `failed`. Facts are in the orders' order.
    ///
    /// What is to be put as another user is put by a child process that becomes that user for good: `program` is run
    /// with `node probe`. Files are read as the caller, before.
    /// *Privilege:* root for orders with a user, and for `knock`.
    public static func run(
        _ orders: [ProbeOrder], vantage: String, keys: @escaping KeyFinder = { _ in nil },
        tlsFolder: String = ProbeRunner.tlsFolder, program: String = "/proc/self/exe"
    ) -> [ProbeFact] {
        cl_ignore_sigpipe()
        var own: [Int] = []
        var others: [UInt32: [Int]] = [:]
        for (index, order) in orders.enumerated() {
            if let user = order.user, user != geteuid() {
                others[user, default: []].append(index)
            } else {
                own.append(index)
            }
        }
        let children = others.map { user, places in
            UserProbes(
                user: user, places: places, orders: places.map { orders[$0] }, vantage: vantage,
                tlsFolder: tlsFolder, program: program)
        }
        let found = Mutex<[Int: ProbeFact]>([:])
        // The children's own time runs beside ours.
        let worker = try? Worker("mp-probe-users") {
            let facts = try? fanOut(children, limit: 64, name: "mp-probe-user") { $0.run() }
            for (child, facts) in zip(children, facts ?? []) {
                found.withLock {
                    for (place, fact) in zip(child.places, facts) { $0[place] = fact }
                }
            }
        }
        let facts = put(own.map { orders[$0] }, vantage, keys, tlsFolder: tlsFolder) {}
        worker?.join()
        found.withLock { for (place, fact) in zip(own, facts) { $0[place] = fact } }
        return orders.indices.map { index in
            found.withLock { $0[index] }
                ?? ProbeFact(
                    orders[index], vantage: vantage, failed: "no thread could be started",
                    at: now())
        }
    }

    /// The child's side: reads files, becomes the user, and puts the probes.
    ///
    /// *Privilege:* root, which is gone for good when it returns.
    public static func run(
        _ orders: [ProbeOrder], asUser user: UInt32, vantage: String,
        tlsFolder: String = ProbeRunner.tlsFolder
    ) -> [ProbeFact] {
        cl_ignore_sigpipe()
        do throws(SystemError) {
            return try put(orders, vantage, { _ in nil }, tlsFolder: tlsFolder) {
                () throws(SystemError) in
                try become(user)
            }
        } catch {
            let words = "cannot become user \(user): \(error)"
            return orders.map { ProbeFact($0, vantage: vantage, failed: words, at: now()) }
        }
    }

    private static func put<Failure: Error>(
        _ orders: [ProbeOrder], _ vantage: String, _ keys: KeyFinder, tlsFolder: String,
        ready: () throws(Failure) -> Void
    ) throws(Failure) -> [ProbeFact] {
        let probes = orders.map { PreparedProbe($0, tlsFolder: tlsFolder, keys: keys) }
        try ready()
        // Every connection by itself, so that a silent one holds up no other.
        let connections = probes.flatMap { probe in
            Array(repeating: probe, count: min(max(probe.order.connections, 1), 64))
        }
        let done: [PutProbe]
        do throws(SystemError) {
            done = try fanOut(connections, limit: limit, name: "mp-probe") { $0.put() }
        } catch {
            return orders.map { ProbeFact($0, vantage: vantage, failed: "\(error)", at: now()) }
        }
        var rest = done[...]
        return orders.map { order in
            let count = min(max(order.connections, 1), 64)
            defer { rest = rest.dropFirst(count) }
            return ProbeFact(order, vantage: vantage, Array(rest.prefix(count)))
        }
    }

    /// Takes a user's identity, group and supplementary groups, in every thread, with no way back.
    private static func become(_ user: UInt32) throws(SystemError) {
        // Asking the name service may load modules and open files: while we still are root.
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        let code = getpwuid_r(user, &entry, &buffer, buffer.count, &found)
        // A container's user has no name here. *Source:* Debian Policy 9.2.2: 65534 is nogroup.
        let isKnown = code == 0 && found != nil
        let (group, name) = isKnown ? (entry.pw_gid, entry.pw_name) : (65_534, nil)
        try check("set user", "\(user)") { cl_become(user, group, name) }
        if getuid() != user || geteuid() != user || getegid() != group
            || (user != 0 && setuid(0) == 0)
        {
            throw SystemError("set user", "\(user)", errno: EPERM)
        }
    }

    static func now() -> FactTime {
        FactTime(wall: Clocks.wall(), monotonic: Clocks.monotonic())
    }
}
