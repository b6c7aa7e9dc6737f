import MeshModel
import NodeProtocol

/// Collects how each node comes out of a run, in the topology's order.
struct UpOutcomes {
    private let order: [String]
    private var before: [String: UpRun.Member] = [:]
    private var byName: [String: UpReport.Outcome] = [:]

    /// Every node that was to be reached; those that could not be have failed.
    init(_ nodes: [Node], members: [String: UpRun.Member], failures: [String: ControllerError]) {
        order = nodes.map(\.name)
        before = members
        fail(failures)
    }

    /// All of them; a node of which nothing was heard has failed, too.
    var inOrder: [UpReport.Outcome] {
        order.map { name in
            byName[name] ?? outcome(name, .failed, error: "the run ended before its turn")
        }
    }

    func isGood(_ name: String) -> Bool {
        byName[name].map { $0.state == .unchanged || $0.state == .changed } ?? false
    }

    /// Whether any node took its change back.
    var hasRollback: Bool { byName.values.contains { $0.state == .rolledBack } }

    mutating func fail(_ failures: [String: ControllerError]) {
        for (name, error) in failures {
            byName[name] = outcome(name, .failed, error: error.message, fix: error.hint)
        }
    }

    mutating func unchanged(_ name: String) {
        let bootstrapped = before[name].map { !$0.bootstrap.isEmpty } ?? false
        byName[name] = outcome(name, bootstrapped ? .changed : .unchanged)
    }

    /// A node that no command logs in to, and that has what it is to have.
    mutating func unchanged(_ name: String, revision: UInt64) {
        var result = outcome(name, .unchanged)
        result.revision = revision
        byName[name] = result
    }

    mutating func changed(_ name: String, steps: [PlanStep], revision: UInt64) {
        var result = outcome(name, .changed)
        result.steps += steps
        result.revision = revision
        byName[name] = result
    }

    /// A node that could not be reached, or that no command logs in to, and whose change waits as mail.
    mutating func waits(
        _ name: String, _ state: UpReport.State, revision: UInt64, at mailboxes: [String],
        error: String? = nil, fix: String? = nil
    ) {
        var result = outcome(name, state, error: error, fix: fix)
        result.revision = revision
        result.mailboxes = mailboxes
        byName[name] = result
    }

    mutating func rolledBack(_ name: String, reason: String) {
        byName[name] = outcome(
            name, .rolledBack, error: reason,
            fix: "look at the plan for what touches routes and networks, mend the topology, "
                + "then run meshproof up again")
    }

    /// With the revision that was in force before, and what was done to reach the agent at all.
    private func outcome(
        _ name: String, _ state: UpReport.State, error: String? = nil, fix: String? = nil
    ) -> UpReport.Outcome {
        UpReport.Outcome(
            node: name, state: state, revision: before[name]?.report.hello.revision ?? 0,
            steps: before[name]?.bootstrap ?? [], error: error, fix: fix)
    }
}
