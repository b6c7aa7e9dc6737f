import LinuxSystem
public import MeshModel

/// What is there of a lab, as seen from outside its hosts.
public struct LabStatus: Sendable, Equatable, Codable {
    /// A service of a host.
    public struct Service: Sendable, Equatable, Codable {
        /// Its name in the topology.
        public let name: String
        /// Its kind in the catalogue.
        public let kind: String
        /// Its port; 0 for a unix socket.
        public let port: UInt16
        /// Whether the built-in stand-in runs in its place.
        public let standIn: Bool
        /// `preparing`, `running`, `waiting` (to be started again) or `failed`; nil where the host is down.
        public let state: String?
        /// Whether something listens where it should.
        public let listening: Bool
        /// How many times it was started again.
        public let restarts: Int
        /// How it last ended, if it did.
        public let ended: String?
    }

    /// A host.
    public struct Host: Sendable, Equatable, Codable {
        /// The node.
        public let node: String
        /// The process id of its init, or nil where it is down.
        public let pid: Int32?
        /// When it came up, in seconds since 1970.
        public let since: Double?
        /// Its underlay addresses.
        public let addresses: [IPAddress]
        /// Where its management sshd is, with its user: `root@198.51.100.11:22`.
        public let ssh: String
        /// Whether something listens on that port.
        public let sshListening: Bool
        /// Its services.
        public let services: [Service]
        /// What is not as it would be on a real machine.
        public let notes: [String]

        /// Whether it runs, with its sshd and all its services listening.
        public var isReady: Bool { pid != nil && sshListening && services.allSatisfy(\.listening) }
    }

    /// The mesh.
    public let mesh: String
    /// Whether the lan is there.
    public let isUp: Bool
    /// Its hosts, in the topology's order.
    public let hosts: [Host]
    /// What `ssh -F` and the controller use.
    public let sshConfig: String
    /// Where a controller with `--lab` keeps its state.
    public let state: String

    /// Whether the whole lab stands, with every sshd and every service listening.
    public var isReady: Bool { isUp && hosts.allSatisfy(\.isReady) }

    init(observing plan: LabPlan) {
        let names = plan.names
        mesh = names.mesh
        isUp = Processes.namespaceID(names.namespaceFile(LabNames.lan)) != nil
        sshConfig = names.sshConfig
        state = names.state
        let holders = Processes.lockHolders(plan.nodes.map { "\(names.host($0))/lock" })
        hosts = plan.hosts.map { host in
            LabStatus.observe(host, names, pid: holders["\(names.host(host.node))/lock"])
        }
    }

    private static func observe(_ host: LabPlan.Host, _ names: LabNames, pid: Int32?) -> Host {
        let listeners = pid.map(Listeners.init(of:))
        let report = pid == nil ? nil : HostReport.read(names.host(host.node))
        let services = host.services.map { service in
            let process = report?.services.first { $0.name == service.name }
            return Service(
                name: service.name, kind: service.kind, port: service.port,
                standIn: service.isStandIn, state: process?.state.rawValue,
                listening: listeners?.has(service) ?? false, restarts: process?.restarts ?? 0,
                ended: process?.ended)
        }
        let endpoint = SocketEndpoint(host.address, host.spec.sshPort)
        return Host(
            node: host.node, pid: pid, since: report?.since,
            addresses: host.spec.addresses.map(\.address), ssh: "\(host.spec.user)@\(endpoint)",
            sshListening: listeners?.has(host.spec.sshPort) ?? false, services: services,
            notes: report?.notes ?? [])
    }
}

extension HostReport {
    /// The report of the host whose folder is given, or nil where it has not said anything yet.
    static func read(_ folder: String) -> HostReport? {
        guard let bytes = try? Files.read("\(folder)/run/lab/status.json") else { return nil }
        return LabJSON.decode(HostReport.self, bytes)
    }
}
