import LinuxSystem
package import MeshModel
import Netlink
package import NodeProtocol

/// Looks at a node for one run of `verify`: what its kernel says, in the calling thread's network namespace and, of sockets,
/// in every other of the host. It changes nothing.
///
/// *Privilege:* root, outside of the agent's sandbox.
package struct FactCollector: Sendable {
    private let mesh: String
    private let program: String?
    /// More tracked connections than this are not handed over.
    private static let trackedLimit = 4_096

    /// Looks for a mesh.
    ///
    /// - Parameter program: the file to start in other network namespaces; nil for the one that runs.
    package init(mesh: String, program: String? = nil) {
        self.mesh = mesh
        self.program = program
    }

    /// The inode of the calling thread's network namespace; 0 where it cannot be told.
    package static func ownNamespace() -> UInt64 { ProcessSurvey.ownNamespace() ?? 0 }

    /// Who and where the node is.
    package func look(node: String) throws(NodeError) -> NodeLook {
        let (links, addresses) = try linksAndAddresses()
        let interfaces = try interfaces(links, addresses)
        let underlay = UnderlayLinks(links: links)
        let face = HostFace(
            node: node,
            underlay: underlay.faces.flatMap { addresses[$0.index] ?? [] }.map(\.address)
                .filter { !$0.isLoopback },
            overlay: interfaces.flatMap(\.addresses).map(\.address).filter { !$0.isLinkLocal }
                .uniqued(),
            hardware: underlay.hardware)
        let sockets = try NamespaceReading.take().facts(isOwn: true, ProcessSurvey())
        return NodeLook(
            version: ProtocolVersion.current, bootID: NodeCommands.bootID(), face: face,
            interfaces: interfaces,
            clients: ClientUsers.find(sockets))
    }

    /// Every link of the namespace now, with its addresses.
    package func links() throws(NodeError) -> [LinkFact] {
        let (links, addresses) = try linksAndAddresses()
        return links.map { Self.fact($0, addresses[$0.index] ?? []) }
    }

    /// The mesh's interfaces now, with their WireGuard side.
    package func interfaces() throws(NodeError) -> [ObservedInterface] {
        let (links, addresses) = try linksAndAddresses()
        return try interfaces(links, addresses)
    }

    /// Fills in links, interfaces, routing, sockets, tracked connections and rewriting. What cannot be read stays nil, or lacks a
    /// part, and ``NodeFacts/failures`` says why.
    package func collect(_ order: WitnessOrder, into facts: inout NodeFacts) {
        collectLinks(order, &facts)
        let sockets = HostSockets(program: program).read()
        facts.sockets = sockets.sockets
        facts.failures += sockets.failures
        do throws(NetlinkError) {
            let wanted = WantedConnections(order)
            let (found, isComplete) = try TrackingConnection().connections(
                limit: Self.trackedLimit, where: wanted.contains)
            facts.tracked = found
            if !isComplete {
                facts.failures.append(
                    FactFailure(
                        section: "tracked",
                        message:
                            "more than \(Self.trackedLimit) tracked connections concern the mesh",
                        fix: "verify fewer edges at a time with --edge or --path"))
            }
        } catch {
            facts.failures.append(FactFailure("tracked", error))
        }
    }

    /// What starts from the list of links.
    private func collectLinks(_ order: WitnessOrder, _ facts: inout NodeFacts) {
        let socket = RouteSocket()
        let links: [Link]
        let addresses: [Int32: [IPPrefix]]
        do throws(NodeError) { (links, addresses) = try linksAndAddresses() } catch {
            for section in ["links", "interfaces", "routing", "rewriting"] {
                facts.failures.append(FactFailure(section, error))
            }
            return
        }
        facts.links = links.map { Self.fact($0, addresses[$0.index] ?? []) }
        do throws(NodeError) { facts.interfaces = try interfaces(links, addresses) } catch {
            facts.failures.append(FactFailure("interfaces", error))
        }
        do throws(NetlinkError) {
            let routing = try RoutingReader(socket: socket, links: links).read(order)
            facts.routing = routing.facts
            facts.failures += routing.failures
        } catch {
            facts.failures.append(FactFailure("routing", error))
        }
        let rewriting = RewritingReader(socket: socket, links: links).read()
        facts.rewriting = rewriting.facts
        facts.failures += rewriting.failures
    }

    private func interfaces(
        _ links: [Link], _ addresses: [Int32: [IPPrefix]]
    ) throws(NodeError) -> [ObservedInterface] {
        var found: [ObservedInterface] = []
        for link in links where Ownership.generation(of: link.name, mesh: mesh) != nil {
            found.append(try RealKernel.interface(link, addresses[link.index] ?? []))
        }
        return found
    }

    private func linksAndAddresses() throws(NodeError) -> ([Link], [Int32: [IPPrefix]]) {
        do throws(NetlinkError) {
            let socket = RouteSocket()
            let links = try socket.links()
            var addresses: [Int32: [IPPrefix]] = [:]
            for address in try socket.addresses() {
                addresses[address.index, default: []].append(address.prefix)
            }
            return (links, addresses)
        } catch {
            throw NodeError(
                .kernel, error.operation, error.subject, error.description, hint: error.hint ?? "")
        }
    }

    private static func fact(_ link: Link, _ addresses: [IPPrefix]) -> LinkFact {
        LinkFact(
            index: link.index, name: link.name, kind: link.kind, group: link.group, mtu: link.mtu,
            isUp: link.isUp, master: link.master, hardware: link.hardware, addresses: addresses)
    }
}

/// Tells which tracked connections concern an order: those with another machine of the mesh, with an overlay address, or with
/// a port that matters here. An underlay address of our own says nothing: all that comes in has it.
private struct WantedConnections {
    private let addresses: Set<IPAddress>
    private let ports: Set<UInt16>

    init(_ order: WitnessOrder) {
        let overlay = order.hosts.flatMap(\.overlay)
        let others = order.hosts.filter { $0.node != order.node }.flatMap(\.underlay)
        addresses = Set(overlay + others)
        ports = Set(order.ports)
    }

    func contains(_ connection: TrackedConnection) -> Bool {
        [
            connection.source, connection.destination, connection.replySource,
            connection.replyDestination,
        ].contains { addresses.contains($0.address) || ports.contains($0.port) }
    }
}

extension [IPAddress] {
    /// Each once, in order.
    fileprivate func uniqued() -> [IPAddress] {
        var seen: Set<IPAddress> = []
        return filter { seen.insert($0).inserted }
    }
}
