import LinuxSystem
import MeshModel
import NodeProtocol

extension RotateRun {
    /// How long sessions are waited for that are made with the preshared keys in force. *Units:* seconds. *Source:* a
    /// session is renewed after 120 s (REKEY_AFTER_TIME of the WireGuard paper) by the end that made it, and a lost
    /// message sent again after 5 s.
    private static let renewal = 145.0
    /// How often every peering is greeted meanwhile: an idle one renews nothing. *Units:* seconds.
    private static let greeting = 5.0

    /// Waits until every peering that is meant has a session newer than this call, at both ends.
    ///
    /// Sessions made before are in use as long as ever, since a preshared key counts in a handshake alone: no packet
    /// waits for this. A peering that had no session before is no reason to stop. *Returns:* those, in words.
    func renew(
        _ members: [UpRun.Member], _ plan: RotationPlan
    ) throws(ControllerError) -> [String] {
        let names = Set(members.map(\.name))
        let wanted = Set(
            topology.managedPeerings().filter {
                names.contains($0.a) && names.contains($0.b) && plan.concerns($0)
            })
        let generation = state.generations.wireguard
        let identity = state.identity
        let agents = try fleet.phase("renewing", members, name: \.name) {
            member throws(ControllerError) in
            try member.contact.agent(meshID: identity.meshID, mesh: identity.mesh)
        }.results
        let wereAlive = Set(members.flatMap { $0.report.freshPeerings(of: $0.name) })
        // By each node's own clock; both ends have the new key by now.
        let since = members.reduce(into: [String: Double]()) { since, member in
            since[member.name] = member.report.observed.observedAt
        }
        let deadline = Clocks.monotonic() + Self.renewal
        var greetAt = 0.0
        while true {
            let isTime = Clocks.monotonic() >= greetAt
            if isTime { greetAt = Clocks.monotonic() + Self.greeting }
            let seen = try fleet.phase("renewing", members, name: \.name) {
                member throws(ControllerError) in
                guard let agent = agents[member.name] else { return NodeReport?.none }
                // Only the end that made a session renews it, and which one that is nobody tells: both send.
                if isTime {
                    try agent.nudge(
                        wanted.compactMap { $0.other(than: member.name) }.sorted())
                }
                return try agent.observe()
            }
            let reports = seen.results.compactMapValues(\.self)
            let old = wanted.filter { pair in
                [(pair.a, pair.b), (pair.b, pair.a)].contains { own, other in
                    let last = reports[own]?.lastHandshake(with: other, generation: generation)
                    return (last ?? 0) <= since[own] ?? .infinity
                }
            }
            let count = "\(wanted.count - old.count) of \(wanted.count) peerings"
            progress.working(RotationStep.renew.rawValue, count)
            if old.isEmpty { return [] }
            if Clocks.monotonic() >= deadline {
                let lost = old.intersection(wereAlive)
                if let name = seen.failures.keys.sorted().first, let error = seen.failures[name] {
                    throw ControllerError(error.code, "\(name): \(error.message)", hint: error.hint)
                }
                guard lost.isEmpty else {
                    throw ControllerError(
                        .apply,
                        "no handshake with the preshared keys in force: "
                            + lost.sorted().map { "\($0.a)-\($0.b)" }.joined(separator: ", "),
                        hint: "meshproof rotate --resume, or meshproof rotate --abort")
                }
                return old.sorted().map { "\($0.a)-\($0.b)" }
            }
            Clocks.sleep(0.5)
        }
    }
}

extension Peering {
    /// The other end, or nil where the node is none of the two.
    func other(than node: String) -> String? { node == a ? b : node == b ? a : nil }
}
