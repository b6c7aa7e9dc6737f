import LinuxSystem
public import MeshModel
import NodeProtocol

/// What `down` took away, and the proof that nothing is left.
public struct DownReport: Codable, Sendable {
    /// One node's part.
    public struct NodeRemoval: Codable, Sendable {
        /// Which node.
        public var node: String
        /// What was removed, a line each.
        public var removed: [String]
        /// What is still there, a line each; empty is the proof.
        public var left: [String]
        /// Whether the controller has forgotten it though it could not be reached: nothing is proven of it.
        public var forgotten = false
        /// What went wrong.
        public var error: String?
        /// What to do about it.
        public var fix: String?
    }

    /// The mesh's name.
    public var mesh: String
    /// Every node it worked on.
    public var nodes: [NodeRemoval]

    /// Whether nothing of ours is left anywhere.
    public var isClean: Bool { nodes.allSatisfy { $0.left.isEmpty && $0.error == nil } }
    /// Whether all that was asked for was done: each node is clean, or was to be forgotten where it cannot be reached.
    public var isDone: Bool {
        nodes.allSatisfy { $0.forgotten || $0.left.isEmpty && $0.error == nil }
    }
}

/// Removes everything of the mesh from every node, then looks again with nothing but a shell.
public struct DownRun: Sendable {
    let topology: Topology
    let state: ControllerState
    let carrier: any Carrier
    let settings: RunSettings
    let progress: any Progress
    let only: [String]
    let forgetsLost: Bool

    /// Gathers what a run needs. The state must be open for writing.
    ///
    /// - Parameters:
    ///   - only: the nodes to work on; empty for all.
    ///   - forgetsLost: whether a node that cannot be reached is forgotten: its machine is gone for good.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, settings: RunSettings,
        progress: any Progress, only: [String] = [], forgetsLost: Bool = false
    ) {
        self.topology = topology
        self.state = state
        self.carrier = carrier
        self.settings = settings
        self.progress = progress
        self.only = only
        self.forgetsLost = forgetsLost
    }

    /// The nodes it works on: the topology's, and those that were once brought up and have left it; of these the ones
    /// that were named, where any were.
    ///
    /// *Throws:* ``ControllerError`` `usage` for a name that is none of them.
    public func nodes() throws(ControllerError) -> [Node] {
        let all = topology.managedNodes + (try state.formerNodes(besides: topology))
        let names = all.map(\.name)
        for name in only where !names.contains(name) {
            let near = NearestName.find(name, among: names)
            throw ControllerError(
                .usage, "no managed node is called \(name), and none was that is still up",
                hint: near.map { "did you mean \($0)?" }
                    ?? "there are \(names.joined(separator: ", "))"
            )
        }
        return only.isEmpty ? all : all.filter { only.contains($0.name) }
    }

    /// Works on all nodes; a node that is clean is forgotten by the controller, with its keys.
    public func run() throws(ControllerError) -> DownReport {
        let nodes = try nodes()
        let fleet = Fleet(parallel: settings.parallel, progress: progress)
        let removed = try fleet.phase("removing", nodes, name: \.name) {
            node throws(ControllerError) in
            try remove(node)
        }
        // Every node's part is reported, also where the state fails us on the way.
        var failures = removed.failures
        for (name, removal) in removed.results where removal.left.isEmpty {
            do throws(ControllerError) { try state.forget(name) } catch { failures[name] = error }
        }
        if only.isEmpty && failures.isEmpty {
            // Nobody is left whose keys could be rotated.
            try state.endRotation(
                state.generations, outcome: "the mesh was taken down", at: Clocks.wall())
        }
        let lost: [ControllerError.Code] = [.unreachable, .timeout, .joined]
        var forgotten: Set<String> = []
        for (name, error) in removed.failures where forgetsLost && lost.contains(error.code) {
            do throws(ControllerError) {
                try state.forget(name)
                forgotten.insert(name)
            } catch { failures[name] = error }
        }
        return DownReport(
            mesh: topology.mesh.name,
            nodes: nodes.map { node in
                var removal =
                    removed.results[node.name]
                    ?? DownReport.NodeRemoval(node: node.name, removed: [], left: [])
                removal.forgotten = forgotten.contains(node.name)
                removal.error = failures[node.name]?.message
                removal.fix = failures[node.name]?.hint
                return removal
            })
    }

    private func remove(_ node: Node) throws(ControllerError) -> DownReport.NodeRemoval {
        let mesh = topology.mesh.name
        if node.isReachedByMail {
            // Where it never joined there is nothing to remove.
            guard try state.isKnown(node.name) else {
                return DownReport.NodeRemoval(node: node.name, removed: [], left: [])
            }
            throw ControllerError.joined(
                node,
                hint: "run `meshproof node leave --mesh \(mesh)` there, then here: "
                    + "meshproof down --node \(node.name) --forget")
        }
        let contact = try NodeContact(node, mesh: mesh, by: carrier, timeout: settings.timeout)
        let report = try leave(contact, mesh: mesh)
        let sweep = try contact.session.run(
            DownRun.sweepCommand(mesh: mesh), timeout: settings.timeout)
        let found = sweep.text.split(whereSeparator: \.isNewline).map(String.init)
        let left = report.left + found.filter { !report.left.contains($0) }
        progress.finished(
            node.name,
            left.isEmpty
                ? "clean: \(report.removed.count) things removed, none left"
                : "left: \(left.joined(separator: ", "))",
            good: left.isEmpty)
        return DownReport.NodeRemoval(node: node.name, removed: report.removed, left: left)
    }

    /// Asks the agent; where none answers, the program itself; where there is none either, there is nothing to remove.
    /// What another controller set up is left alone.
    private func leave(_ contact: NodeContact, mesh: String) throws(ControllerError)
        -> RemovalReport
    {
        if contact.probe.hasSocket {
            do throws(ControllerError) {
                return try contact.agent(meshID: state.knownMeshID, mesh: mesh).down()
            } catch {
                // Not where it is another controller's mesh or another node, nor where the node is gone.
                if error.code != .agent && error.code != .hungUp { throw error }
            }
        }
        if contact.probe.digest == nil { return RemovalReport(removed: [], left: []) }
        // Only what this controller set up, as this node: the program there checks it.
        let identity = state.identity
        let words = [
            NodeProgram.installedPath, "node", "leave", "--json", "--mesh", mesh, "--mesh-id",
            identity.meshID, "--node", contact.node.name, "--controller-key",
            identity.controllerKey.description,
        ]
        let command = (words + identity.successionArguments).joined(separator: " ")
        let result = try contact.session.run(command, timeout: max(settings.timeout, 30))
        // With something left the program says so by its status, too; the report tells what.
        if let report = try? Wire.decode(
            RemovalReport.self, from: NodeContact.answer(result.text))
        {
            return report
        }
        throw ControllerError(
            .leftOver,
            result.status.isSuccess
                ? "\(contact.node.name) answered with something else than a report"
                : "\(contact.node.name): \(result.errorText.trimmedLine)")
    }

    /// Prints a line for everything of the mesh that is still on a node, without any program of ours.
    ///
    /// One `grep` finds the few processes that are worth a look: a look at each would take seconds on a busy machine.
    /// The agent ends after its answer, so the sweep gives it, and whatever process it finds, two seconds to go.
    package static func sweepCommand(mesh: String) -> String {
        """
        i=0; while [ $i -lt 20 ] && [ -e /run/meshproof/\(mesh)/agent.lock ]; do sleep 0.1; i=$((i+1)); done; \
        ip -o link show 2>/dev/null | sed -n 's/^[0-9]*: \\(mp[0-9]-\(mesh)\\)[:@].*/interface \\1/p'; \
        nft list table inet \(Ownership.guardTable(mesh: mesh)) >/dev/null 2>&1 && \
        echo "table inet \(Ownership.guardTable(mesh: mesh))"; \
        grep -qs '^# BEGIN meshproof \(mesh):' /etc/hosts && echo "lines in /etc/hosts"; \
        for f in /var/lib/meshproof/\(mesh) /run/meshproof/\(mesh) \
        /etc/systemd/system/meshproof-\(mesh).service /run/wireguard/mp[0-9]-\(mesh).sock; do \
        [ -e "$f" ] && echo "file $f"; done; \
        for f in $(grep -ls -e '\(mesh)' /proc/[0-9]*/cmdline 2>/dev/null); do \
        p=${f%/cmdline}; c=$({ tr '\\0' ' ' < $f; } 2>/dev/null); w=${c%% *}; case "${w##*/} ${c#* }" in \
        "meshproof node agent --mesh \(mesh) "*|"wireguard-go mp"[0-9]"-\(mesh) "*) \
        i=0; while [ -e $p/exe ] && [ $i -lt 20 ]; do sleep 0.1; i=$((i+1)); done; \
        [ -e $p/exe ] && echo "process ${p#/proc/}: $c";; \
        esac; done; exit 0
        """
    }
}
