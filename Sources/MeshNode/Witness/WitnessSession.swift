import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol
import ServiceProbe
import WireWitness

/// One run of `verify` on this node: look, begin, probe, finish, in this order.
final class WitnessSession {
    /// How long the wire has to have been quiet, at most, before a capture ends. *Units:* seconds.
    private static let settle: Double = 0.4

    private let identity: NodeIdentity
    private let folders: NodeFolders
    private let program: String
    private let collector: FactCollector
    private var run: Run?

    /// What a run has gathered so far.
    private struct Run {
        let order: WitnessOrder
        var facts: NodeFacts
        let witness: Witness?
    }

    init(_ identity: NodeIdentity, _ folders: NodeFolders, program: String) {
        self.identity = identity
        self.folders = folders
        self.program = program
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
        do { return try collector.look(node: identity.node) } catch { throw error.refusal }
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
        var witness: Witness?
        if let links = collector.links(&facts) {
            do {
                let interfaces = collector.interfaces(&facts) ?? []
                let started = try Witness(order: order, links: links, interfaces: interfaces)
                try started.sendControls()
                witness = started
            } catch {
                facts.failures.append(
                    FactFailure(
                        section: "capture", message: "\(error)",
                        fix: "run as root, on a kernel with packet sockets"))
            }
        }
        // The counters are read once the capture runs, so that nothing is counted that it cannot have seen.
        facts.earlierInterfaces = collector.interfaces(&facts)
        run = Run(order: order, facts: facts, witness: witness)
    }

    private func probe(_ orders: [ProbeOrder]) throws(ProtocolError) -> Int {
        guard run != nil else { throw ProtocolError(.notStaged, "the run has not begun") }
        let found = ProbeRunner.run(
            orders, vantage: identity.node, keys: NodeProbeKeys(folders: folders))
        run?.facts.probes = (run?.facts.probes ?? []) + found
        return found.count
    }

    private func finish() throws(ProtocolError) -> SignedFacts {
        guard var run else { throw ProtocolError(.notStaged, "the run has not begun") }
        self.run = nil
        // Sockets of what is still connected are gone soon, and a capture's end takes its time.
        collector.collect(run.order, into: &run.facts)
        run.facts.interfaces = collector.interfaces(&run.facts)
        run.facts.capture = run.witness?.finish(settle: Self.settle)
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
