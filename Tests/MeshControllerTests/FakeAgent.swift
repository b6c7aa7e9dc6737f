import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization

extension FakeMachine {
    /// The agent's answer on one connection; nil where it hangs up instead.
    func answer(_ request: Request, connection: Int) -> Response? {
        state.withLock { state in
            if state.troubles.contains(.agentDead) { return nil }
            guard let identity = state.identity else { return nil }
            switch request {
            case .hello: return .hello(Self.hello(state, identity))
            case .observe: return .observed(Self.report(state, identity))
            case .preview(let document):
                return .steps(Self.steps(from: state.document, to: document))
            case .stage(let signed, let keys): return Self.stage(signed, keys, &state, identity)
            case .commit(let revision, _): return Self.commit(revision, connection, &state)
            case .confirm(let revision): return Self.confirm(revision, connection, &state)
            case .rollback(let revision):
                state.committed = nil
                state.rolledBack = RolledBack(revision: revision, at: 1, reason: "asked to")
                return .done
            case .nudge(let peers, _):
                state.greeted += peers ?? []
                return .done
            case .wakeTunnels, .restartTunnel: return .done
            case .keepMail(let node, let revision, let sealed):
                if state.troubles.contains(.noMail) {
                    return .refused(ProtocolError(.failed, "the mailbox is full"))
                }
                state.mail[node] = FakeMachine.Mail(
                    kept: KeptMail(node: node, revision: revision, since: 1),
                    sealed: Base64.decode(sealed) ?? [])
                return .done
            case .succeed(let chain): return Self.succeed(chain, &state, identity)
            case .prepareKey(let generation):
                state.generations.insert(generation)
                return .key(state.key(generation))
            case .prepareSSHKeys(let generation):
                state.sshGenerations.insert(generation)
                return .sshKeys(state.sshKeys(generation))
            case .forgetKeys(let wireguard, let ssh):
                let live = [state.document, state.committed?.document].compactMap(\.self)
                let used = Set(live.flatMap(\.interfaces).map(\.generation))
                if !used.isDisjoint(with: wireguard) {
                    return .refused(ProtocolError(.failed, "a key is in use"))
                }
                for generation in state.generations.intersection(wireguard) {
                    state.wiped[generation, default: 0] += 1
                }
                state.generations.subtract(wireguard)
                state.sshGenerations.subtract(ssh)
                return .done
            case .down: return .removed(Self.clear(&state))
            }
        }
    }

    /// Whether a new connection is let in.
    func admits() -> Bool {
        state.withLock { state in
            if state.troubles.contains(.unreachable) { return false }
            guard state.troubles.contains(.cutOffByCommit), let committed = state.committed else {
                return true
            }
            // After a few vain attempts the window has ended, as far as the test is concerned.
            state.refusedConnections += 1
            if state.refusedConnections < 5 { return false }
            state.rolledBack = RolledBack(
                revision: committed.document.revision, at: 1, reason: "nobody confirmed it")
            state.committed = nil
            return true
        }
    }

    private static func hello(_ state: State, _ identity: Enrolled) -> NodeHello {
        NodeHello(
            version: ProtocolVersion.current, program: "test", meshID: identity.meshID,
            node: identity.node,
            keys: Dictionary(
                uniqueKeysWithValues: state.generations.map { ($0, state.key($0)) }),
            sshKeys: Dictionary(
                uniqueKeysWithValues: state.sshGenerations.map { ($0, state.sshKeys($0)) }),
            mailKeys: (try? state.mailKey.map(WireGuardKeys.publicKey(of:))).map { key in
                Dictionary(uniqueKeysWithValues: state.generations.map { ($0, key) })
            }, revision: state.revision,
            highestRevision: state.highest, unconfirmed: state.committed?.document.revision,
            rolledBack: state.rolledBack, controllerKey: PublicKey(identity.controllerKey))
    }

    private static func succeed(
        _ chain: [KeySuccession], _ state: inout State, _ identity: Enrolled
    ) -> Response {
        guard let pinned = PublicKey(identity.controllerKey),
            let links = try? KeySuccession.follow(
                chain, from: pinned, after: 0, meshID: identity.meshID)
        else { return .refused(ProtocolError(.otherController, "not from our key")) }
        if let last = links.last { state.identity?.controllerKey = last.newKey.description }
        return .done
    }

    private static func report(_ state: State, _ identity: Enrolled) -> NodeReport {
        let now = Clocks.wall() + state.clockSkew
        let handshake = state.handshakeAge.map { now - $0 } ?? 0
        let interfaces = (state.document?.interfaces ?? []).map { wanted in
            let peers = wanted.peers.map { peer in
                ObservedPeer(
                    publicKey: peer.publicKey, presharedKey: peer.presharedKey, endpoint: nil,
                    keepalive: 0, allowedIPs: peer.allowedIPs,
                    lastHandshake: state.neverHeard[wanted.generation]?.contains(peer.node) == true
                        ? 0 : handshake,
                    rxBytes: 1, txBytes: 2)
            }
            return ObservedInterface(
                name: wanted.name, index: 7, kind: .kernel, isUp: true, mtu: 1420,
                group: Ownership.linkGroup, addresses: wanted.addresses,
                device: ObservedDevice(
                    publicKey: wanted.publicKey, listenPort: wanted.listenPort, fwmark: 0,
                    peers: peers))
        }
        return NodeReport(
            hello: hello(state, identity),
            observed: ObservedNode(
                bootID: "boot", observedAt: now, interfaces: interfaces, routes: []),
            document: state.document, drift: state.drift, repairs: [],
            mail: state.mail.values.map(\.kept))
    }

    private static func steps(from old: NodeDocument?, to new: NodeDocument) -> [PlanStep] {
        if old?.interfaces == new.interfaces { return [] }
        return new.interfaces.flatMap { interface in
            interface.peers.map { peer in
                PlanStep(
                    .addPeer(interface: interface.name, peer: peer, endpoint: nil),
                    reason: "no such peer")
            }
        }
    }

    private static func stage(
        _ signed: SignedDocument, _ keys: [PresharedKeyPayload], _ state: inout State,
        _ identity: Enrolled
    ) -> Response {
        guard let payload = Base64.decode(signed.payload),
            let signature = Base64.decode(signed.signature),
            let controller = PublicKey(identity.controllerKey),
            Signatures.verify(signature, of: SignedDocument.context + payload, by: controller),
            let document = try? Wire.decode(NodeDocument.self, from: payload)
        else { return .refused(ProtocolError(.signature, "not signed by our controller")) }
        guard document.node == identity.node, document.revision > state.highest else {
            return .refused(ProtocolError(.staleRevision, "an older revision, or another node's"))
        }
        for key in keys { state.presharedKeys[key.id] = key.key }
        let peers = document.interfaces.flatMap(\.peers)
        guard peers.compactMap(\.presharedKey).allSatisfy({ state.presharedKeys[$0] != nil }),
            !peers.contains(where: { $0.publicKey == .zero })
        else { return .refused(ProtocolError(.invalidDocument, "a key is missing")) }
        state.staged = document
        state.highest = document.revision
        return .steps(steps(from: state.document, to: document))
    }

    private static func commit(
        _ revision: UInt64, _ connection: Int, _ state: inout State
    ) -> Response? {
        guard let staged = state.staged, staged.revision == revision else {
            return .refused(ProtocolError(.notStaged, "not staged"))
        }
        if state.troubles.contains(.applyFails) {
            return .refused(ProtocolError(.applyFailed, "the kernel said no"))
        }
        state.changes += 1
        state.committed = Committed(document: staged, connection: connection)
        if state.troubles.contains(.tooQuick) {
            state.committed = nil
            state.rolledBack = RolledBack(revision: revision, at: 1, reason: "no way out")
        }
        if state.troubles.contains(.commitAnswerLost) { return nil }
        return .steps(steps(from: state.document, to: staged))
    }

    private static func confirm(
        _ revision: UInt64, _ connection: Int, _ state: inout State
    ) -> Response {
        guard let committed = state.committed, committed.document.revision == revision,
            committed.connection != connection
        else { return .refused(ProtocolError(.connection, "not over this connection")) }
        state.document = committed.document
        state.revision = revision
        state.committed = nil
        return .done
    }
}
