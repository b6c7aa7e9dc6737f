import JoinChannel
import LinuxSystem
public import MeshModel
import NodeProtocol
import Secrets
import Synchronization

/// One invite: a token, the door that it opens, and the way to the node that comes in by it.
///
/// It lives in this process: when that ends, for whatever reason, nobody has the keys any more, and the token is good for
/// nothing.
public final class JoinInvite: Sendable {
    /// Where the node dials.
    public enum Way: Sendable {
        /// Addresses of this machine; port 0 has the kernel choose.
        case listen([IPAddress], port: UInt16)
        /// A relay on this node; port 0 has it choose.
        case through(Node, port: UInt16)
    }

    /// The line that the node's operator needs. It is the secret: to be shown once.
    public let text: String
    /// When it is over. *Units:* seconds since 1970.
    public let expires: Int64
    /// Where the node dials, for people.
    public let places: [String]

    private let node: String
    private let gate: JoinGate
    private let relay: JoinRelay?

    /// How long a join that has begun keeps its relay. *Units:* seconds.
    private static let afterlife = 900.0

    /// Makes a token for a node and begins to wait. All earlier tokens of the node are good for nothing from now on.
    ///
    /// *Throws:* ``ControllerError`` `usage` where nobody can listen at these places; as ``Carrier`` where the relay's node
    /// cannot be reached.
    public init(
        _ node: String, lasting seconds: Double, by way: Way, state: ControllerState,
        carrier: any Carrier, settings: RunSettings
    ) throws(ControllerError) {
        self.node = node
        let expires = Clocks.wallSeconds() + Int64(seconds)
        let deadline = Clocks.monotonic() + seconds
        self.expires = expires
        let identity = state.identity
        var sockets = ListeningSockets()
        let hosts: [String]
        let port: UInt16
        // A relay's connections come before there is a gate only in theory: nobody knows its port yet.
        let box = GateBox()
        switch way {
        case .listen(let addresses, let wanted):
            relay = nil
            hosts = addresses.map(\.description)
            port = try Self.listen(addresses, wanted, &sockets)
        case .through(let relayNode, let wanted):
            guard let host = Self.host(of: relayNode) else {
                throw ControllerError(
                    .usage, "nothing says at which address others reach \(relayNode.name)",
                    hint: "give it an endpoint in the topology")
            }
            let made = try JoinRelay(
                on: relayNode, port: wanted, seconds: seconds + Self.afterlife, carrier: carrier,
                timeout: settings.timeout, taken: { box.offer($0, from: $1) })
            relay = made
            hosts = [host]
            port = made.port
        }
        let token = try ControllerState.translate {
            try JoinToken(
                JoinInvitation(
                    id: try JoinToken.newID(), mesh: identity.mesh, node: node, hosts: hosts,
                    port: port, expires: expires, controllerKey: identity.controllerKey))
        }
        text = try ControllerState.translate { try token.text() }
        places = hosts.map { Endpoint(host: $0, port: port).description }
        try state.open(token)
        gate = JoinGate(try JoinKeyring(token, state: state, until: deadline))
        try gate.open(sockets)
        box.set(gate)
    }

    private static func listen(
        _ addresses: [IPAddress], _ wanted: UInt16, _ sockets: inout ListeningSockets
    ) throws(ControllerError) -> UInt16 {
        var port = wanted
        for address in addresses {
            do throws(JoinChannelError) {
                let socket = try JoinSockets.listen(on: address.description, port: port)
                port = JoinSockets.port(of: socket.number)
                sockets.add(socket)
            } catch {
                throw ControllerError(
                    .usage, error.message,
                    hint:
                        "name an address of this machine that the node can reach, and a free port; "
                        + "where there is none, --through a node that both can reach")
            }
        }
        return port
    }

    private static func host(of node: Node) -> String? {
        var host = node.endpoint
        if host == nil, case .ssh(_, let name, _) = node.connect { host = name }
        return host.flatMap { JoinInvitation.isHost($0) ? $0 : nil }
    }

    deinit { close() }

    /// The way to the node that joins, and by `others` to all others.
    public func carrier(others: any Carrier) -> any Carrier {
        JoinCarrier(node: node, gate: gate, others: others)
    }

    /// Waits until the node is there; where it is, for people.
    ///
    /// *Throws:* ``ControllerError`` `timeout` once the token is over.
    public func awaitNode(_ progress: any Progress) throws(ControllerError) -> String {
        var lastMinute = -1
        while true {
            if let entrant = gate.entrant { return entrant.peer }
            let left = gate.keyring.left
            if left <= 0 {
                throw ControllerError(
                    .timeout, "nobody came with the token before it was over",
                    hint: "run meshproof peer invite \(node) again; it makes a new token")
            }
            if let ended = relay?.ended {
                throw ControllerError(
                    .hungUp, ended, hint: "run meshproof peer invite \(node) again")
            }
            for (peer, count) in gate.takeRefused().sorted(by: { $0.key < $1.key }) {
                progress.note(
                    "turned away \(peer)" + (count > 1 ? ", \(count) times" : "")
                        + ": no token, a wrong one, or no TLS")
            }
            let minute = Int(left / 60)
            if minute != lastMinute {
                lastMinute = minute
                progress.working(
                    node,
                    "waiting for it to join, \(left < 60 ? "less than 1" : "\(minute)") min left")
            }
            Clocks.sleep(0.1)
        }
    }

    /// Tells the node how it came out. One that cannot be told finds out by itself that nobody is there any more.
    public func end(_ report: UpReport?, _ topology: Topology) {
        let outcome = report?.nodes.first { $0.node == node }
        var error: String? = "the controller did not come to an end"
        if let outcome {
            let isGood = outcome.state == .changed || outcome.state == .unchanged
            let fix = outcome.fix.map { "; fix: \($0)" } ?? ""
            error = isGood ? nil : (outcome.error ?? "it is not as the topology wants it") + fix
        }
        let order = JoinEnd(error: error, reaches: Self.reaches(node, in: topology))
        let deadline = Clocks.monotonic() + 5
        guard let stream = try? gate.take(since: 0, timeout: 5) else { return }
        try? stream.send(JoinOrder.end(order), deadline: deadline)
        _ = try? stream.receive(JoinAnswer.self, deadline: deadline)
        stream.close()
    }

    /// Lets nobody in any more, and ends the relay. *Idempotency:* a second call does nothing.
    public func close() {
        try? gate.keyring.shut()
        gate.shut()
        relay?.stop()
    }

    /// The nodes that a node's joining concerns, beside those that a change of the file does.
    public static func concerned(_ node: String, in topology: Topology) -> Set<String> {
        var names: Set<String> = [node]
        for pair in topology.peerings() where pair.a == node || pair.b == node {
            names.formUnion([pair.a, pair.b])
        }
        let index = PartyIndex(topology)
        for edge in topology.edges {
            let ends = [index.owner(of: edge.from), index.owner(of: edge.to)].compactMap(\.self)
            if ends.contains(node) { names.formUnion(ends) }
        }
        return names.intersection(topology.managedNames)
    }

    /// The services that a node has an edge to, by the names that it may call them.
    static func reaches(_ node: String, in topology: Topology) -> [String] {
        let index = PartyIndex(topology)
        var names: [String] = []
        for edge in topology.edges where index.owner(of: edge.from) == node {
            guard let service = topology.service(edge.to), service.node != node else { continue }
            let name =
                topology.mesh.namesEnabled ? "\(service.name).\(topology.mesh.name)" : service.name
            let line =
                edge.via == .ssh
                ? "\(service.name), by a tunnel on this machine" : "\(name):\(service.port)"
            if !names.contains(line) { names.append(line) }
        }
        return names
    }
}

/// A gate that is not there yet when whoever needs it is made.
private final class GateBox: Sendable {
    private let gate = Mutex<JoinGate?>(nil)

    func set(_ made: JoinGate) { gate.withLock { $0 = made } }

    func offer(_ socket: consuming Descriptor, from peer: String) {
        let gate = gate.withLock { $0 }
        gate?.offer(socket, from: peer)
    }
}
