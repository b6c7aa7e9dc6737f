import MeshModel
import WireGuard

/// The changes to one interface's peers that follow one another in a plan.
struct PeerBatch {
    let interface: String
    private(set) var changes: [Change] = []

    /// The changes that `steps` begins with, or nil where it begins with something else.
    init?(_ steps: ArraySlice<PlanStep>) {
        guard let first = steps.first, Self.isPeerChange(first.change),
            let interface = first.change.interface
        else { return nil }
        self.interface = interface
        for step in steps {
            guard Self.isPeerChange(step.change), step.change.interface == interface else { break }
            changes.append(step.change)
        }
    }

    private static func isPeerChange(_ change: Change) -> Bool {
        switch change {
        case .addPeer, .updatePeer, .removePeer: return true
        default: return false
        }
    }

    /// What the backend is told. Lists of allowed IPs that only grow are added to, which interrupts nothing.
    func configurations(there: [ObservedPeer], keys: NodeKeys) throws(NodeError)
        -> [PeerConfiguration]
    {
        var lists: [PublicKey: [IPPrefix]]?
        var configurations: [PeerConfiguration] = []
        configurations.reserveCapacity(changes.count)
        for change in changes {
            switch change {
            case .addPeer(_, let peer, let endpoint):
                configurations.append(
                    PeerConfiguration(
                        publicKey: peer.publicKey,
                        presharedKey: try peer.presharedKey.map { id throws(NodeError) in
                            try Self.secret(id, of: peer.node, keys)
                        }, endpoint: endpoint, keepalive: peer.keepalive ?? 0,
                        allowedIPs: peer.allowedIPs))
            case .updatePeer(_, let update):
                var configuration = PeerConfiguration(
                    publicKey: update.publicKey, updateOnly: true, endpoint: update.endpoint,
                    keepalive: update.keepalive)
                if update.removePresharedKey { configuration.presharedKey = .remove }
                if let id = update.presharedKey {
                    configuration.presharedKey = try Self.secret(id, of: update.node, keys)
                }
                if let wanted = update.allowedIPs {
                    if lists == nil {
                        lists = Dictionary(
                            there.map { ($0.publicKey, $0.allowedIPs) }, uniquingKeysWith: { $1 })
                    }
                    let found = lists?[update.publicKey] ?? []
                    configuration.allowedIPs = wanted
                    configuration.replaceAllowedIPs = !Set(found).isSubset(of: wanted)
                }
                configurations.append(configuration)
            case .removePeer(_, let key):
                configurations.append(PeerConfiguration(publicKey: key, remove: true))
            default: break
            }
        }
        return configurations
    }

    private static func secret(
        _ id: PresharedKeyID, of node: String, _ keys: NodeKeys
    ) throws(NodeError) -> PresharedKeyChange {
        guard let key = try keys.presharedKey(id) else {
            throw NodeError(
                .damaged, "set preshared key", "", "the preshared key of peer \(node) is gone",
                hint: "run `meshproof up`, which sends it again")
        }
        return .set(key)
    }
}
