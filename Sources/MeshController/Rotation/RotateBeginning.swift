import LinuxSystem
import MeshModel
import NodeProtocol

/// Decides whether a rotation may begin, and writes down what it is to do. Nothing has changed where it throws.
struct RotateBeginning {
    private let run: RotateRun
    private let without: [String]
    private let command: String
    private var topology: Topology { run.topology }
    private var state: ControllerState { run.state }

    init(run: RotateRun, without: [String], command: String) {
        self.run = run
        self.without = without
        self.command = command
    }

    func begin(
        wireguard: Bool, ssh: Bool, drain: Double, scope: PeeringScope?, grace: Double
    ) throws(ControllerError) {
        var plan = try newPlan()
        if let scope {
            try check(scope)
            // A node's key is that of all its peerings.
            let nodes = scope.nodes.union(scope.pairs.flatMap { [$0.a, $0.b] })
            plan.scope = PeeringScope(nodes: nodes)
            try refuseUnmanagedPeers(of: nodes)
            try Self.refuseRetiring(without, in: topology)
        }
        plan.drain = drain
        if wireguard { plan.wireguard = .init(after: state.generations.wireguard) }
        if ssh && scope == nil { plan.ssh = .init(after: state.generations.ssh) }
        if scope == nil {
            let joined = try run.joined(besides: without)
            if ssh { try refuseTunnels(of: joined, withWireguard: wireguard) }
            if wireguard, grace <= 0, let name = joined.first {
                throw ControllerError(
                    .usage,
                    "no command logs in to \(name) (connect: join): it fetches new keys by itself, and needs time for that",
                    hint:
                        "give --grace 1h, or --force-retire \(name), which cuts it off until it joins again"
                )
            }
            plan.byMail = joined.isEmpty ? nil : joined
            let waiting = handed() + joined
            if wireguard && grace > 0 && !waiting.isEmpty {
                plan.grace = RotationPlan.Grace(seconds: grace, waiting: waiting)
            }
        }
        try open(plan)
    }

    func beginPreshared(_ scope: PeeringScope?) throws(ControllerError) {
        var plan = try newPlan()
        if let scope { try check(scope) }
        try Self.refuseRetiring(without, in: topology)
        plan.scope = scope
        plan.preshared = .init(after: state.generations.wireguard)
        try open(plan)
    }

    /// Only where every node has a new key is one that goes without cut off: with its old key it is let in by all whose
    /// keys are not replaced, and by those whose preshared keys alone are.
    static func refuseRetiring(_ names: [String], in topology: Topology) throws(ControllerError) {
        guard let lost = names.first(where: { topology.node($0)?.managed == true }) else { return }
        throw ControllerError(
            .usage, "\(lost) would not be cut off by this: only new keys on the whole mesh do that",
            hint: "meshproof rotate --force-retire \(lost)")
    }

    /// *Returns:* whether there is something to do: keys that are due, or a grace period to look after.
    /// And what is due and has to stay, in words.
    func beginDue(
        drain: Double, grace: Double
    ) throws(ControllerError) -> (begins: Bool, notes: [String]) {
        if let open = state.openRotation {
            if open.progress.isInGrace { return (true, []) }
            throw Self.alreadyOpen(open)
        }
        guard let schedule = topology.mesh.rotation else {
            throw ControllerError(
                .usage, "the topology does not say how often keys are replaced",
                hint: "add `rotate: every 30d` to its mesh")
        }
        let settled = state.generations
        let now = Clocks.wall()
        // The key of a node that joins by itself stays as it is: it is no reason to begin again and again.
        let oldest = settled.oldestWireguard(of: topology.contactedNodes.map(\.name))
        let wireguard = schedule.isDue(since: oldest, now: now)
        // Where tunnels' keys cannot be replaced, the others still can.
        var ssh = schedule.isDue(since: settled.sshSince, now: now)
        var notes: [String] = []
        if ssh, let (edge, end) = tunnel(of: try run.joined(besides: without)) {
            notes = [
                "the tunnels' SSH keys are due, and stay: no command logs in to \(end), an end of \(edge.id)"
            ]
            ssh = false
        }
        guard wireguard || ssh else { return (false, notes) }
        try begin(wireguard: wireguard, ssh: ssh, drain: drain, scope: nil, grace: grace)
        return (true, notes)
    }

    private func newPlan() throws(ControllerError) -> RotationPlan {
        if let open = state.openRotation { throw Self.alreadyOpen(open) }
        guard state.knownMeshID != nil,
            try !state.nodeKeys(
                of: topology, generation: state.generations.wireguard
            ).isEmpty
        else {
            throw ControllerError(
                .enroll, "mesh \(topology.mesh.name) has not been brought up yet",
                hint: "run meshproof up")
        }
        return RotationPlan(
            id: "rotate-\(Clocks.wallSeconds())-\(ControllerState.newMeshID().prefix(8))",
            without: without.sorted(), began: Clocks.wall())
    }

    /// What is open, in words: a grace period is ended in another way than a rotation that was cut short.
    private static func alreadyOpen(_ open: OpenRotation) -> ControllerError {
        if open.progress.isInGrace, let grace = open.plan.grace {
            let names = grace.waiting.joined(separator: ", ")
            return ControllerError(
                .rotating,
                "the last rotation waits for \(names) to fetch a new configuration"
                    + (grace.until.map { ", until \(Timestamp.text($0))" } ?? ""),
                hint: "meshproof rotate --resume looks again; with "
                    + grace.waiting.map { "--force-retire \($0)" }.joined(separator: " ")
                    + " it waits no longer")
        }
        return ControllerError(
            .rotating, "a rotation of this mesh's keys is open already",
            hint: "meshproof rotate --resume, or meshproof rotate --abort")
    }

    private func open(_ plan: RotationPlan) throws(ControllerError) {
        let members = try run.gather(plan)
        try refuseUnready(members, withTunnels: plan.ssh != nil)
        try state.begin(plan, command: command)
    }

    /// An edge that goes through a tunnel from or to one of these, and that one, or nil.
    private func tunnel(of names: [String]) -> (edge: Edge, end: String)? {
        let index = PartyIndex(topology)
        for edge in topology.edges where edge.via == .ssh {
            let ends = [edge.from, edge.to].compactMap(index.owner)
            if let end = ends.first(where: names.contains) { return (edge, end) }
        }
        return nil
    }

    /// A tunnel's two ends change their keys together, and one of them would do it in its own time.
    private func refuseTunnels(
        of names: [String], withWireguard: Bool
    ) throws(ControllerError) {
        guard let (edge, name) = tunnel(of: names) else { return }
        throw ControllerError(
            .joined,
            "no command logs in to \(name) (connect: join), so the SSH keys of its tunnel \(edge.id) cannot be replaced",
            hint: (withWireguard ? "meshproof rotate --wireguard replaces the others; " : "")
                + "--force-retire \(name) goes on without it, and it is cut off until it joins again: "
                + "meshproof peer invite \(name)")
    }

    /// Nodes without an agent that were handed a configuration, and are not gone on without.
    private func handed() -> [String] {
        let unmanaged = Set(
            topology.nodes.filter { !$0.managed && $0.publicKey != nil }.map(\.name))
        let managed = topology.managedNames
        let found = topology.peerings().flatMap { pair in
            [(pair.a, pair.b), (pair.b, pair.a)].filter {
                unmanaged.contains($0.0) && managed.contains($0.1)
            }.map(\.0)
        }
        return Set(found).subtracting(without).sorted()
    }

    private func check(_ scope: PeeringScope) throws(ControllerError) {
        for name in scope.nodes.union(scope.pairs.flatMap { [$0.a, $0.b] }).sorted() {
            guard let node = topology.node(name) else {
                let near = NearestName.find(name, among: topology.nodes.map(\.name))
                throw ControllerError(
                    .usage, "no node is called \(name)",
                    hint: name.contains(",")
                        ? "give --node once for each" : near.map { "did you mean \($0)?" })
            }
            guard node.managed else {
                throw ControllerError(
                    .usage, "\(name) is not managed: its key is its owner's",
                    hint: "meshproof peer rm \(name), then peer add, give it a new one")
            }
        }
        let peerings = Set(topology.peerings())
        if let pair = scope.pairs.subtracting(peerings).sorted().first {
            throw ControllerError(
                .usage, "\(pair.a) and \(pair.b) are no peers", hint: "meshproof status names them")
        }
    }

    /// The keys of some nodes are replaced in two legs, and nobody fetches a configuration twice.
    private func refuseUnmanagedPeers(of nodes: Set<String>) throws(ControllerError) {
        for pair in topology.peerings() {
            for (own, other) in [(pair.a, pair.b), (pair.b, pair.a)]
            where nodes.contains(own) && topology.node(other)?.managed == false
                && topology.node(other)?.publicKey != nil && !without.contains(other)
            {
                throw ControllerError(
                    .usage,
                    "\(other) is not managed, and a peer of \(own): with a new key there it is cut off until it is given it",
                    hint: "meshproof rotate, for the whole mesh, leaves it time to fetch it; or "
                        + "--force-retire \(other), and then meshproof peer show \(other) --conf")
            }
        }
    }

    private func refuseUnready(
        _ members: [UpRun.Member], withTunnels: Bool
    ) throws(ControllerError) {
        let design = try run.up.design(addresses: try state.previewAddresses(for: topology))
        for member in members {
            guard let document = design.documents[member.name],
                document.wantsTheSame(as: member.report.document)
            else {
                throw ControllerError(
                    .usage, "\(member.name) is not as the topology wants it",
                    hint: "run meshproof up first")
            }
        }
        let reports = Dictionary(
            members.map { ($0.name, $0.report) }, uniquingKeysWith: { first, _ in first })
        let tunnels = TunnelStatus.list(topology, reports: reports)
        if withTunnels,
            let broken = tunnels.first(where: {
                reports[$0.from] != nil && reports[$0.to] != nil && $0.state != .up
                    && $0.state != .blocked
            })
        {
            throw ControllerError(
                .usage, "the tunnel of \(broken.edge) does not stand",
                hint: "meshproof tunnel ls says why; mend it first")
        }
    }
}
