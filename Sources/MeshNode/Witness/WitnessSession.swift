import LinuxSystem
import MeshModel
import NodeProtocol
import SSHTunnel
import ServiceProbe
import WireWitness

/// One run of `verify` on this node: look, begin, probe, finish, in this order.
final class WitnessSession {
    /// How long the wire has to have been quiet, at most, before a capture ends. *Units:* seconds.
    private static let settle: Double = 0.4
    /// How long another run is waited for: less than two runs that have half of the nodes each would wait for ever. *Units:*
    /// seconds.
    private static let patience: Double = 8

    private let identity: NodeIdentity
    private let folders: NodeFolders
    private let collector: FactCollector
    private var run: Run?
    /// Held from the first word to the end of the process.
    private var turn: FileLock?
    private var isOurTurn = false

    /// What a run has gathered so far.
    private struct Run {
        let order: WitnessOrder
        var facts: NodeFacts
        let witness: Witness?
    }

    init(_ identity: NodeIdentity, _ folders: NodeFolders) {
        self.identity = identity
        self.folders = folders
        collector = FactCollector(mesh: identity.mesh)
    }

    /// Never throws: a refusal is an answer.
    func answer(_ request: WitnessRequest) -> WitnessResponse {
        do throws(ProtocolError) {
            switch request {
            case .look(let meshID, let node, let nonce):
                return .looked(try look(meshID: meshID, node: node, nonce: nonce))
            case .begin(let order):
                try begin(order)
                return .began
            case .probe(let orders): return .probed(try probe(orders))
            case .finish: return .facts(try finish())
            }
        } catch { return .refused(error) }
    }

    private func look(meshID: String, node: String, nonce: String) throws(ProtocolError) -> NodeLook
    {
        try check(meshID: meshID, node: node, nonce: nonce)
        try takeTurn()
        do { return try collector.look(node: identity.node) } catch { throw error.refusal }
    }

    /// One run at a time: what one sends on purpose, another would take for somebody's.
    private func takeTurn() throws(ProtocolError) {
        if isOurTurn { return }
        let deadline = Clocks.monotonic() + Self.patience
        repeat {
            do throws(SystemError) {
                if let lock = try FileLock(path: folders.witnessLock) {
                    turn = consume lock
                    isOurTurn = true
                    return
                }
            } catch {
                throw ProtocolError(.failed, "cannot take turns with other runs: \(error)")
            }
            Clocks.sleep(0.1)
        } while Clocks.monotonic() < deadline
        let holder = FileLock.holder(path: folders.witnessLock).map { " (process \($0) here)" }
        throw ProtocolError(
            .busy, "another verify is under way\(holder ?? ""); try again when it is through")
    }

    private func check(meshID: String, node: String, nonce: String) throws(ProtocolError) {
        guard meshID == identity.meshID, node == identity.node else {
            throw ProtocolError(
                .wrongName,
                "this is \(identity.node) of the mesh \(identity.mesh), and another was asked for")
        }
        guard nonce.utf8.count == 32, Base64.unhex(nonce) != nil else {
            throw ProtocolError(.malformed, "the run's nonce is not 32 hexadecimal digits")
        }
    }

    private func begin(_ order: WitnessOrder) throws(ProtocolError) {
        try check(meshID: order.meshID, node: order.node, nonce: order.nonce)
        guard run == nil else { throw ProtocolError(.busy, "this run has begun already") }
        let now = FactTime.now()
        var facts = NodeFacts(
            node: identity.node, meshID: identity.meshID, nonce: order.nonce,
            program: ProgramVersion.current, bootID: NodeCommands.bootID(),
            namespace: FactCollector.ownNamespace(), began: now, ended: now)
        facts.probes = []
        let witness = watch(order, &facts)
        // The counters are read once the capture runs, so that nothing is counted that it cannot have seen.
        do throws(NodeError) {
            facts.earlierInterfaces = try collector.interfaces()
        } catch {
            facts.failures.append(FactFailure("earlierInterfaces", error))
        }
        run = Run(order: order, facts: facts, witness: witness)
    }

    /// Starts to capture. What cannot be watched is told with the facts, and never counts in an edge's favour.
    private func watch(_ order: WitnessOrder, _ facts: inout NodeFacts) -> Witness? {
        do {
            return try Witness(
                order: order, links: try collector.links(), interfaces: try collector.interfaces())
        } catch {
            facts.failures.append(
                FactFailure(
                    section: "capture", message: "\(error)",
                    fix: "run as root, on a kernel with packet sockets"))
            return nil
        }
    }

    private func probe(_ orders: [ProbeOrder]) throws(ProtocolError) -> Int {
        guard let run else { throw ProtocolError(.notStaged, "the run has not begun") }
        // Every node watches by now, so what is sent on purpose is seen at both ends.
        do { try run.witness?.sendControls() } catch {
            // Where the datagram was to go there may be nobody.
            self.run?.facts.failures.append(
                FactFailure(
                    section: "controls", message: "\(error)",
                    fix: "see that the other nodes' underlay addresses can be reached"))
        }
        let folders = folders
        let found = ProbeRunner.run(
            orders, vantage: identity.node,
            keys: { wanted in
                (0...9).lazy.map { folders.clientKey(generation: $0) }.first {
                    (try? SSHKeyPair.publicKey(ofFile: $0)) == wanted
                }
            })
        self.run?.facts.probes?.append(contentsOf: found)
        return found.count
    }

    private func finish() throws(ProtocolError) -> SignedFacts {
        guard var run else { throw ProtocolError(.notStaged, "the run has not begun") }
        self.run = nil
        // Sockets of what is still connected are gone soon, and a capture's end takes its time.
        collector.collect(run.order, into: &run.facts)
        run.facts.capture = run.witness?.finish(
            settle: Self.settle, links: (try? collector.links()) ?? [],
            interfaces: run.facts.interfaces ?? [])
        do throws(NodeError) { run.facts.agent = try AgentInquiry.facts(folders) } catch {
            run.facts.failures.append(
                FactFailure(section: "agent", message: error.message, fix: error.hint))
        }
        run.facts.ended = FactTime.now()
        do { return try FactSigner(folders).sign(run.facts) } catch let error as NodeError {
            throw error.refusal
        } catch let error as ProtocolError {
            throw error
        } catch { throw ProtocolError(.failed, "\(error)") }
    }
}

extension FactTime {
    /// This moment.
    static func now() -> FactTime {
        FactTime(wall: Clocks.wall(), monotonic: Clocks.monotonic())
    }
}
