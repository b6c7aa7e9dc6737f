import Glibc

/// Which process has which socket, and who is in which network namespace: all of `/proc` in one walk.
///
/// *Privilege:* root sees every process of its PID namespace; others only their own. *Source:* proc(5), namespaces(7).
public struct ProcessSurvey: Sendable {
    /// A process, as far as it is needed to name it.
    public struct Resident: Sendable, Hashable {
        /// Its number.
        public var pid: Int32
        /// The name that the kernel has for it.
        public var name: String

        /// `postgres (pid 812)`.
        public var text: String { "\(name) (pid \(pid))" }
    }

    /// A network namespace and a way into it.
    public struct Namespace: Sendable, Hashable {
        /// Tells it from all others of the host.
        public var inode: UInt64
        /// A file that leads to it, for setns(2).
        public var path: String
        /// A process in it, or nil where a file alone holds it.
        public var inhabitant: Resident?
    }

    /// By the socket's inode, the first process that has it open.
    public private(set) var holders: [UInt64: Resident] = [:]
    /// Every network namespace that was found, by inode.
    public private(set) var namespaces: [UInt64: Namespace] = [:]

    /// Looks at everything. What goes away meanwhile is passed over.
    public init() {
        for pid in ProcessTable.all().sorted() { look(pid) }
        // Those that `ip netns` and container engines keep by a mount, with nobody in them.
        for path in Self.mounts() {
            guard let file = FileID(path) else { continue }
            add(Namespace(inode: file.inode, path: path, inhabitant: nil))
        }
    }

    /// The inode of the calling thread's own network namespace.
    public static func ownNamespace() -> UInt64? { FileID("/proc/thread-self/ns/net")?.inode }

    private mutating func look(_ pid: Int32) {
        var known: Resident?
        func resident() -> Resident {
            let found = known ?? Resident(pid: pid, name: ProcessTable.name(pid))
            known = found
            return found
        }
        // A thread may be elsewhere than its process.
        for thread in (try? Files.list("/proc/\(pid)/task")) ?? [] {
            let path = "/proc/\(pid)/task/\(thread)/ns/net"
            guard let file = FileID(path), namespaces[file.inode]?.inhabitant == nil else {
                continue
            }
            add(Namespace(inode: file.inode, path: path, inhabitant: resident()))
        }
        for name in (try? Files.list("/proc/\(pid)/fd")) ?? [] {
            let path = "/proc/\(pid)/fd/\(name)"
            guard let text = Files.target(path) else { continue }
            if let inode = Self.inode(text, "socket:[") {
                if holders[inode] == nil { holders[inode] = resident() }
            } else if let inode = Self.inode(text, "net:["), namespaces[inode] == nil {
                add(Namespace(inode: inode, path: path, inhabitant: nil))
            }
        }
    }

    private mutating func add(_ found: Namespace) {
        let known = namespaces[found.inode]
        if known == nil || (known?.inhabitant == nil && found.inhabitant != nil) {
            namespaces[found.inode] = found
        }
    }

    /// The number in `socket:[12345]`.
    private static func inode(_ text: String, _ start: String) -> UInt64? {
        guard text.hasPrefix(start), text.hasSuffix("]") else { return nil }
        return UInt64(
            text.utf8.dropFirst(start.utf8.count).dropLast().reduce(into: "") {
                $0.unicodeScalars.append(Unicode.Scalar($1))
            })
    }

    /// Where network namespaces are mounted. *Source:* proc_pid_mountinfo(5); the root of such a mount is `net:[…]`.
    private static func mounts() -> [String] {
        let bytes = (try? Files.read("/proc/thread-self/mountinfo")) ?? []
        return bytes.split(separator: 10).compactMap { line in
            let fields = line.split(separator: 32, maxSplits: 5)
            guard fields.count > 4, fields[3].starts(with: "net:[".utf8) else { return nil }
            return unescaped(fields[4])
        }
    }

    /// The kernel writes a blank, a tab, a line's end and a backslash as three octal digits.
    static func unescaped(_ text: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == 92, digits.count == 3, digits.allSatisfy({ (48...55).contains($0) }) {
                bytes.append(digits.reduce(0) { $0 &* 8 &+ ($1 - 48) })
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
