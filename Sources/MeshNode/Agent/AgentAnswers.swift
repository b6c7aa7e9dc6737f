import MeshModel
package import NodeProtocol
import Secrets

extension AgentCore {
    /// Answers a request of a connection that has said hello. Never throws: a refusal is an answer.
    package func answer(_ request: Request, from connection: UInt64, at now: Moment) -> Response {
        do { return try respond(to: request, from: connection, at: now) } catch {
            return .refused(error)
        }
    }

    private func respond(
        to request: Request, from connection: UInt64, at now: Moment
    ) throws(ProtocolError) -> Response {
        switch request {
        case .hello(let version):
            guard version == ProtocolVersion.current else {
                throw ProtocolError(
                    .version,
                    "the agent speaks version \(ProtocolVersion.current) (meshproof \(program)), the "
                        + "controller version \(version); install the same meshproof on both")
            }
            return .hello(try asking(hello))
        case .observe: return .observed(try asking { () throws(NodeError) in try report(at: now) })
        case .preview(let document):
            try check.checkPreview(document)
            return .steps(try steps(to: document, at: now))
        case .stage(let signed, let presharedKeys):
            return .steps(try stage(signed, presharedKeys, at: now))
        case .commit(let revision, let window):
            return .steps(try commit(revision, window: window, from: connection, at: now))
        case .confirm(let revision):
            try confirm(revision, from: connection, at: now)
            return .done
        case .rollback(let revision):
            try rollBack(revision, at: now)
            return .done
        case .nudge(let peers, let interface):
            kernel.nudge(addressesToNudge(of: peers.map(Set.init), by: interface), by: interface)
            return .done
        case .wakeTunnels:
            kernel.tunnels.wake()
            return .done
        case .restartTunnel(let edge):
            guard kernel.tunnels.restart(edge) else {
                throw ProtocolError(.failed, "no tunnel \(edge) begins on this node")
            }
            log.notice("restarting tunnel \(edge)")
            return .done
        case .prepareKey(let generation):
            return .key(
                try asking { () throws(NodeError) in try keys.prepare(generation) })
        case .succeed(let chain):
            try succeed(chain)
            return .done
        case .prepareSSHKeys(let generation):
            return .sshKeys(
                try asking { () throws(NodeError) in
                    SSHNodeKeys(
                        client: try keys.sshClientKey(generation),
                        host: try keys.sshHostKey(generation))
                })
        case .forgetKeys(let wireguard, let ssh):
            try forget(wireguard, ssh: ssh)
            return .done
        case .keepMail(let node, let revision, let sealed):
            try keepMail(for: node, revision: revision, sealed: sealed, at: now)
            return .done
        case .down: return .removed(takeDown(at: now))
        }
    }

    private func stage(
        _ signed: SignedDocument, _ payloads: [PresharedKeyPayload], at now: Moment
    ) throws(ProtocolError) -> [PlanStep] {
        // The signature comes first: what nobody signed is not worth a look.
        _ = try check.open(signed)
        var brought: [(PresharedKeyID, SecretBytes)] = []
        for payload in payloads {
            guard let key = try? SecretText.decode(payload.key, count: PresharedKeys.width) else {
                throw Self.wrongKey
            }
            brought.append((payload.id, key))
        }
        let document = try admit(signed, bringing: brought)
        stagedAt = now.monotonic
        return try steps(to: document, at: now)
    }

    private static var wrongKey: ProtocolError {
        ProtocolError(.invalidDocument, "a preshared key is not the one that its name says")
    }

    /// Checks a document and the preshared keys that came with it, by whatever way, and keeps them for `commit`.
    func admit(
        _ signed: SignedDocument, bringing brought: [(PresharedKeyID, SecretBytes)]
    ) throws(ProtocolError) -> NodeDocument {
        let named = Set(
            try check.open(signed).interfaces.flatMap(\.peers).compactMap(\.presharedKey))
        for (id, key) in brought {
            guard named.contains(id) else {
                throw ProtocolError(
                    .invalidDocument, "a preshared key was sent that the document does not name")
            }
            guard NodeKeys.isName(id), PresharedKeys.identify(key) == id else {
                throw Self.wrongKey
            }
        }
        let own = try asking { () throws(NodeError) in try keys.publicKeys() }
        let carried = carried(to: try check.open(signed), own)
        let document = try check.admit(
            signed, after: store.highestRevision,
            keys: own.merging(carried.mapValues { own[$0] ?? .zero }) { $1 },
            sshKeys: try asking { () throws(NodeError) in try keys.sshPublicKeys() },
            presharedKeys: keys.presharedKeyIDs().union(brought.map(\.0)))
        try asking { () throws(NodeError) in
            for (id, key) in brought { try keys.keep(key, as: id) }
            for (set, former) in carried { try keys.carry(former, to: set) }
            try store.stage(TakenDocument(signed: signed, document: document))
        }
        return document
    }

    /// The sets that a document wants this node to use a key for that it has of another set, and of which: a node that
    /// no command logs in to keeps its key while the others replace theirs.
    private func carried(to document: NodeDocument, _ own: [Int: PublicKey]) -> [Int: Int] {
        let live = Set(store.live.flatMap(\.interfaces).map(\.generation))
        var found: [Int: Int] = [:]
        for interface in document.interfaces
        where own[interface.generation] != interface.publicKey
            && !live.contains(interface.generation)
        {
            found[interface.generation] = own.first { $0.value == interface.publicKey }?.key
        }
        return found
    }

    private func steps(to document: NodeDocument, at now: Moment) throws(ProtocolError)
        -> [PlanStep]
    {
        try asking { () throws(NodeError) in try plan(document.desired, at: now) }
    }

    private func forget(_ generations: [Int], ssh: [Int]) throws(ProtocolError) {
        let named = Set(generations.filter((0...9).contains))
        let namedSSH = Set(ssh.filter((0...9).contains))
        try asking { () throws(NodeError) in
            let own = try keys.sshPublicKeys()
            let wanted = namedSSH.compactMap { own[$0] }
            func isUsed(_ document: NodeDocument) -> Bool {
                document.interfaces.contains { named.contains($0.generation) }
                    || document.tunnels.contains { tunnel in
                        wanted.contains { $0.client == tunnel.clientKey }
                    }
                    || wanted.contains { $0.host == document.tunnelServer?.hostKey }
            }
            // A staged document is only a wish; one that is in force is not.
            try store.dropStaged(where: isUsed)
            if store.live.contains(where: isUsed) {
                throw NodeError(
                    .usage, "forget keys", "", "the document in force names one of these keys")
            }
            for generation in named { try keys.forget(generation: generation) }
            for generation in namedSSH { try keys.forgetSSH(generation: generation) }
        }
    }

    /// One overlay address of each peer that is wanted; nil wants all. For a hub, which has the whole overlay, the
    /// network's own address, which no node has.
    private func addressesToNudge(
        of wanted: Set<String>?, by interface: String?
    ) -> [IPAddress] {
        let interfaces = (target?.interfaces ?? []).filter { interface ?? $0.name == $0.name }
        let peers = interfaces.flatMap(\.peers).filter { wanted?.contains($0.node) ?? true }
        let addresses = peers.compactMap { peer in
            (peer.allowedIPs.first { $0.isHost } ?? peer.allowedIPs.first)?.address
        }
        return Array(addresses.prefix(Self.nudgeLimit))
    }

    private func takeDown(at now: Moment) -> RemovalReport {
        log.notice("going down: removing everything of mesh \(identity.mesh)")
        let removal = Removal(folders: folders, storage: storage, kernel: kernel)
        let report = removal.run(networks: store.networks, at: now)
        end()
        return report
    }

    private func asking<Value>(
        _ body: () throws(NodeError) -> Value
    ) throws(ProtocolError) -> Value {
        do { return try body() } catch { throw error.refusal }
    }
}
