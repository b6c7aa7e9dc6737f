import MeshModel

/// Every name and folder of a lab, derived from its mesh's name, so that two labs never meet.
public struct LabNames: Sendable, Equatable {
    /// The mesh.
    public let mesh: String

    /// Where all labs of this machine are.
    public static let allLabs = "/run/meshproof-lab"
    /// The node name that stands for the lan itself.
    public static let lan = "lan"
    /// The bridge, inside the lan namespace.
    public static let bridge = "br0"
    /// The underlay device of every host.
    public static let underlay = "eth0"

    /// The names of `mesh`'s lab.
    public init(mesh: String) {
        self.mesh = mesh
    }

    /// The lab's folder, a tmpfs of its own, readable by root only.
    public var root: String { "\(LabNames.allLabs)/\(mesh)" }
    /// The lock that `up` and `down` hold.
    public var lock: String { "\(LabNames.allLabs)/.\(mesh).lock" }
    /// What the host with this folder sees as /etc/hosts: ``hostsFile``, and its agent's lines.
    static func hostsFile(ofHostIn folder: String) -> String { "\(folder)/etc-hosts" }
    /// What the lan sees as /etc/hosts: names and underlay addresses of the hosts.
    public var hostsFile: String { "\(root)/etc-hosts" }
    /// The lab's SSH client configuration, known hosts and key.
    public var ssh: String { "\(root)/ssh" }
    /// The SSH client configuration that knows every host of the lab.
    public var sshConfig: String { "\(ssh)/config" }
    /// The private key that every host lets in.
    public var sshKey: String { "\(ssh)/id_ed25519" }
    /// The lab's known hosts, pinned at `up`.
    public var knownHosts: String { "\(ssh)/known_hosts" }
    /// The state folder of a controller that runs with `--lab`.
    public var state: String { "\(root)/state" }
    /// The folders of the hosts.
    public var hosts: String { "\(root)/hosts" }

    /// One host's folder.
    public func host(_ node: String) -> String { "\(hosts)/\(node)" }
    /// The name that `ip netns` knows a host's, or the lan's, network namespace by.
    public func namespace(_ node: String) -> String { "mp-\(mesh)-\(node)" }
    /// The file that holds that namespace.
    public func namespaceFile(_ node: String) -> String { "/run/netns/\(namespace(node))" }

    /// The host's end of the wire in the lan namespace: readable where it fits 15 characters (IFNAMSIZ - 1).
    static func port(_ node: String) -> String {
        if node.utf8.count <= 13 { return "v-\(node)" }
        let digest = String(hash(node) & 0xfff_ffff, radix: 16)
        return "v-\(node.prefix(5))~" + String(repeating: "0", count: 7 - digest.count) + digest
    }

    /// A locally administered MAC address that stays the same from lab to lab.
    static func mac(_ name: String) -> String {
        let digest = hash(name)
        let bytes = (0..<5).map { UInt8(truncatingIfNeeded: digest >> (8 * UInt64($0))) }
        return ([2] + bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            .joined(separator: ":")
    }

    /// FNV-1a, 64 bits: steady across runs, which Swift's own hashing is not.
    static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
