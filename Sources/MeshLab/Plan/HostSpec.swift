import FoundationEssentials
import MeshModel

/// What one host is made of. A host whose spec has changed, but for its routes, is built anew; services may change.
struct HostSpec: Sendable, Equatable, Codable {
    var mesh: String
    var node: String
    /// The addresses of its underlay device, with the length of their networks.
    var addresses: [IPPrefix]
    /// Further networks that are on the same wire.
    var onLink: [IPPrefix]
    /// Where default routes point, one a family; nothing beyond answers.
    var gateways: [IPAddress]
    /// Where its management sshd listens.
    var sshPort: UInt16
    /// Who may log in there.
    var user: String
    /// Whether the controller runs here (`connect: local`), and so needs the lab's SSH files.
    var isLocal: Bool

    /// The routes of its underlay device, in `ip route`'s words. Other hosts come and go: they may change at any time.
    var routes: [String] {
        onLink.map(\.description) + gateways.map { "default via \($0)" }
    }

    /// Whether a host made for `other` can become this one without being built anew.
    func isSameMachine(as other: HostSpec) -> Bool {
        var other = other
        other.onLink = onLink
        other.gateways = gateways
        return other == self
    }
}

/// One service of a host, ready to be run.
struct ServiceSpec: Sendable, Equatable, Codable {
    var name: String
    var kind: String
    var port: UInt16
    /// What runs once before, as root; empty for none.
    var prepare: [String]
    /// The command that is the service; empty for the built-in stand-in.
    var run: [String]
    /// The user it runs as, or nil for root.
    var user: String?
    /// What the stand-in binds to: addresses, or `unix:` and a path.
    var binds: [String]
    /// Where commands start.
    var folder: String

    var isStandIn: Bool { run.isEmpty }
    /// The socket's path where it listens on a unix socket.
    var socketPath: String? {
        binds.first { $0.hasPrefix("unix:") }.map { String($0.dropFirst(5)) }
    }
}

/// What a host's init says about itself.
struct HostReport: Sendable, Equatable, Codable {
    enum State: String, Sendable, Codable {
        case starting
        case ready
        case failed
    }

    struct Process: Sendable, Equatable, Codable {
        enum State: String, Sendable, Codable {
            case preparing
            case running
            case waiting
            case failed
        }

        var name: String
        var state: State
        /// Its process id inside the host.
        var pid: Int32?
        var restarts: Int
        /// How it last ended, if it did.
        var ended: String?
    }

    var state: State
    var since: Double
    var notes: [String]
    var sshd: Process?
    var services: [Process]
}

/// JSON for the lab's own small files.
enum LabJSON {
    static func encode(_ value: some Encodable) throws(LabError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(value)) + [10] } catch {
            throw LabError(.failed, "encode", "\(type(of: value))", "not expressible in JSON")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> Value? {
        try? JSONDecoder().decode(type, from: Data(bytes))
    }
}
