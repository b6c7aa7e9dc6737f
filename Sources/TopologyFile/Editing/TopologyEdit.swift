public import MeshModel

/// One change that a command makes to the operator's file.
public enum TopologyEdit: Sendable, Equatable {
    /// A new node, after the others.
    case addNode(Node)
    /// A new edge at the end of a path; the path is made where there is none of that name.
    case addEdge(Edge, path: String)
    /// The public key of an unmanaged node that has none yet.
    case setPublicKey(PublicKey, node: String)
    /// Takes a node out; what names it is taken out by edits of its own, before.
    case removeNode(String)
    /// Takes a service out, with what `lab:` says of it.
    case removeService(String)
    /// Takes an edge out of one path; a path without edges goes with it.
    case removeEdge(from: String, to: String, path: String)
    /// Takes a line of `forbid:` out.
    case removeForbidden(ForbiddenEdge)
}

/// The file after its edits.
public struct EditedTopology: Sendable, Equatable {
    /// What is to be written.
    public let bytes: [UInt8]
    /// What it says: exactly the former topology with the edits made.
    public let topology: Topology
}

/// Why a file is left as it is.
public enum TopologyEditError: Error, Sendable, Equatable {
    /// The file before the edits, or the topology after them, is not valid; all of its mistakes.
    case invalid([Diagnostic])
    /// The place cannot be edited without touching more than was asked for.
    case refused(Refusal)

    /// What a person needs to make the edit by hand.
    public struct Refusal: Sendable, Equatable {
        /// *Units:* lines from 1.
        public let line: Int
        /// Why, as the end of "cannot be edited safely: …".
        public let reason: String
        /// What is to be done by hand, each line of YAML with the section that it belongs to.
        public let byHand: [String]
    }
}

extension TopologyEdit {
    /// The topology with the edit made.
    func applied(to before: Topology) -> Topology {
        var topology = before
        switch self {
        case .addNode(let node):
            topology.nodes.append(node)
        case .addEdge(let edge, let name):
            if let index = topology.paths.firstIndex(where: { $0.name == name }) {
                topology.paths[index].edges.append(edge)
            } else {
                topology.paths.append(Path(name: name, edges: [edge]))
            }
        case .setPublicKey(let key, let name):
            for index in topology.nodes.indices where topology.nodes[index].name == name {
                topology.nodes[index].publicKey = key
            }
        case .removeNode(let name):
            topology.nodes.removeAll { $0.name == name }
        case .removeService(let name):
            topology.services.removeAll { $0.name == name }
            topology.lab[name] = nil
        case .removeEdge(let from, let to, let name):
            guard let index = topology.paths.firstIndex(where: { $0.name == name }) else { break }
            topology.paths[index].edges.removeAll { $0.from == from && $0.to == to }
            if topology.paths[index].edges.isEmpty { topology.paths.remove(at: index) }
        case .removeForbidden(let pair):
            topology.forbid.removeAll { $0 == pair }
        }
        return topology
    }

    /// What a person would do in its place.
    var byHand: String {
        switch self {
        case .addNode(let node):
            "add below `nodes:`  " + TopologyText.field(node).flow
        case .addEdge(let edge, let path):
            "add below `paths: \(path): edges:`  - " + TopologyText.item(edge).flowItem
        case .setPublicKey(let key, let node):
            "add to the node `\(node)`  public_key: \(YAMLText.scalar(key.description))"
        case .removeNode(let name):
            "remove the node `\(name)` from `nodes:`"
        case .removeService(let name):
            "remove the service `\(name)` from `services:` and from `lab: services:`"
        case .removeEdge(let from, let to, let path):
            "remove `\(from) -> \(to)` from the path `\(path)`"
        case .removeForbidden(let pair):
            "remove `\(pair.from) -> \(pair.to)` from `forbid:`"
        }
    }
}
