import LinuxSystem
import MeshModel
import NodeProtocol
import StateStore

extension UpRun {
    /// Leaves mail for nodes that the run could not reach, and for those that no command logs in to, at those of their
    /// peers that it did reach.
    ///
    /// - Parameters:
    ///   - lost: what went wrong with nodes that could not be reached.
    ///   - members: the nodes that have, by now, what the topology wants.
    func leaveMail(
        for nodes: [Node], lost: [String: ControllerError], at members: [Member],
        _ design: MeshDesign, into outcomes: inout UpOutcomes
    ) throws(ControllerError) {
        for node in nodes where node.isReachedByMail {
            if try !state.hasJoined(node) {
                outcomes.waits(
                    node.name, .awaitsJoin, revision: 0, at: [], error: JoinedNode.awaits(node),
                    fix: "meshproof peer invite \(node.name)")
                progress.finished(node.name, "waits for `meshproof join`", good: true)
            }
        }
        // Half a change is worse than none: what was taken back elsewhere is not sent after the others.
        if outcomes.hasRollback { return }
        var addressees: [(node: Node, document: NodeDocument)] = []
        for node in nodes {
            let hasJoined = node.isReachedByMail ? try state.hasJoined(node) : false
            guard hasJoined || Self.isAway(lost[node.name]),
                let document = design.documents[node.name], try isNews(document, for: node)
            else { continue }
            addressees.append((node, document))
        }
        if addressees.isEmpty { return }
        let boxes = try members + carriers(for: addressees.map(\.document), besides: nodes)
        var parcels: [Parcel] = []
        for (node, document) in addressees {
            parcels.append(try parcel(node, document, boxes))
        }
        parcels = try sealed(parcels, into: &outcomes)
        let left = try deliver(parcels, boxes)
        for parcel in parcels {
            try conclude(
                parcel, left: left[parcel.name] ?? [], lost: lost[parcel.name], into: &outcomes)
        }
    }

    /// One node's document on its way into mailboxes.
    struct Parcel: Sendable {
        let node: Node
        var document: NodeDocument
        /// The peers that are to keep it: those that this run reached.
        let mailboxes: [String]
        /// Those of them that keep just this already, by the revision that they know it by.
        let waiting: [String]
        /// Whether one of them has never had just this.
        let isLacking: Bool
        /// Whether all of them say that the node has taken it; the first one.
        let taken: (at: Double, by: String)?
        let revision: UInt64
        /// The highest revision of the node that any of its mailboxes knows of.
        let seen: UInt64
        var bytes: [UInt8]?
        var problem: ControllerError?
        var name: String { node.name }
    }

    /// A node that is there and says no is not away.
    static func isAway(_ error: ControllerError?) -> Bool {
        guard let error else { return false }
        return [.unreachable, .timeout, .hungUp].contains(error.code)
    }

    /// Whether a node has not confirmed just this document already. One that no command logs in to is told of either way.
    private func isNews(
        _ document: NodeDocument, for node: Node
    ) throws(ControllerError) -> Bool {
        let handed = try state.handed(to: node.name)
        let isSame = try handed?.digest == ControllerState.digest(of: document)
        return !isSame || handed?.mailedAt != nil || node.isReachedByMail
    }

    /// Peers of addressees that this run has no other business with: only they can be reached by a node that comes back.
    private func carriers(
        for documents: [NodeDocument], besides nodes: [Node]
    ) throws(ControllerError) -> [Member] {
        let known = Set(nodes.map(\.name))
        let wanted = Set(documents.flatMap { $0.mail?.peers ?? [] }.map(\.node)).subtracting(known)
        let others = topology.contactedNodes.filter { wanted.contains($0.name) }
        let identity = state.identity
        let found = try fleet.phase(
            "connecting", Array(others.prefix(Self.carrierLimit)), name: \.name, isVital: false
        ) { node throws(ControllerError) in
            let contact = try NodeContact(
                node, mesh: identity.mesh, by: carrier, timeout: settings.timeout)
            let agent = try contact.agent(meshID: identity.meshID, mesh: identity.mesh)
            return Member(contact: contact, report: try agent.observe(), bootstrap: [])
        }.results
        return others.compactMap { found[$0.name] }
    }

    /// Nodes that are contacted for no other reason than to leave mail at.
    private static let carrierLimit = 16

    /// What there is to do for a node.
    private func parcel(
        _ node: Node, _ document: NodeDocument, _ members: [Member]
    ) throws(ControllerError) -> Parcel {
        let handed = try state.handed(to: node.name)
        let isSame = try handed?.digest == ControllerState.digest(of: document)
        let peers = Set(document.mail?.peers.map(\.node) ?? [])
        let boxes = members.filter { peers.contains($0.name) }
        let kept = boxes.map { box in box.report.mail?.first { $0.node == node.name } }
        let seen =
            kept.compactMap { $0?.revision }
            .filter { Self.isCredible($0, after: handed?.revision ?? 0) }.max() ?? 0
        guard isSame, let handed else {
            return Parcel(
                node: node, document: document, mailboxes: boxes.map(\.name), waiting: [],
                isLacking: true, taken: nil, revision: 0, seen: seen)
        }
        var waiting: [String] = []
        var takers: [(at: Double, by: String)] = []
        for (box, mail) in zip(boxes, kept) where mail?.revision == handed.revision {
            if let at = mail?.takenAt {
                // One that was taken back needs another revision.
                if (mail?.inForce ?? .max) >= handed.revision { takers.append((at, box.name)) }
            } else {
                waiting.append(box.name)
            }
        }
        let isLacking = waiting.count + takers.count < boxes.count
        // One mailbox alone is not believed where another has never had it, or has it still.
        var taken = takers.count == boxes.count ? takers.min { $0.at < $1.at } : nil
        if handed.mailedAt == nil { taken = (0, "") }
        return Parcel(
            node: node, document: document, mailboxes: boxes.map(\.name), waiting: waiting,
            isLacking: isLacking, taken: taken, revision: handed.revision, seen: seen)
    }

    /// Whether a revision may be what mailboxes have really seen, of a state that is older than they: nobody signs for what
    /// a mailbox says, and a number near the greatest would leave its node with nothing that is newer.
    static func isCredible(_ revision: UInt64, after known: UInt64) -> Bool {
        revision <= known || revision - known <= 1 << 20
    }

    /// Signs and seals what is not in all of its mailboxes yet, by the next revision.
    private func sealed(
        _ parcels: [Parcel], into outcomes: inout UpOutcomes
    ) throws(ControllerError) -> [Parcel] {
        var parcels = parcels
        let open = parcels.indices.filter { index in
            let parcel = parcels[index]
            return parcel.taken == nil && !parcel.mailboxes.isEmpty && parcel.isLacking
        }
        // Above what mailboxes have seen as well: this state may come out of an older backup.
        let revisions = try state.nextRevisions(
            above: Dictionary(
                uniqueKeysWithValues: open.map { (parcels[$0].name, parcels[$0].seen) }))
        for index in open {
            parcels[index].document.revision = revisions[parcels[index].name] ?? 0
            do throws(ControllerError) {
                parcels[index].bytes = try state.mail(parcels[index].document)
            } catch { parcels[index].problem = error }
        }
        return parcels
    }

    /// Leaves each mail at all of its mailboxes; which of them took it, by addressee.
    private func deliver(
        _ parcels: [Parcel], _ members: [Member]
    ) throws(ControllerError) -> [String: [String]] {
        let sealed = parcels.filter { $0.bytes != nil }
        let boxes = members.filter { member in
            sealed.contains { $0.mailboxes.contains(member.name) }
        }
        let identity = state.identity
        let outcome = try fleet.phase("leaving mail", boxes, name: \.name, isVital: false) {
            box throws(ControllerError) in
            let agent = try box.contact.agent(meshID: identity.meshID, mesh: identity.mesh)
            var kept: [String] = []
            for parcel in sealed where parcel.mailboxes.contains(box.name) {
                guard let bytes = parcel.bytes else { continue }
                do throws(ControllerError) {
                    try agent.keepMail(
                        for: parcel.name, revision: parcel.document.revision, bytes)
                    kept.append(parcel.name)
                } catch {
                    // A refusal is about this mail; anything else is about the mailbox.
                    if error.code != .agent && error.code != .apply { throw error }
                }
            }
            return kept
        }
        var left: [String: [String]] = [:]
        for box in boxes {
            for name in outcome.results[box.name] ?? [] { left[name, default: []].append(box.name) }
        }
        return left
    }

    private func conclude(
        _ parcel: Parcel, left: [String], lost: ControllerError?, into outcomes: inout UpOutcomes
    ) throws(ControllerError) {
        let name = parcel.name
        if let taken = parcel.taken {
            if parcel.node.isReachedByMail {
                outcomes.unchanged(name, revision: parcel.revision)
            } else {
                outcomes.waits(
                    name, .away, revision: parcel.revision, at: [],
                    error: "away; it has fetched its change, revision \(parcel.revision), "
                        + "from \(taken.by)", fix: lost?.hint)
            }
            return
        }
        var boxes = parcel.waiting
        var revision = parcel.revision
        if !left.isEmpty {
            try state.noteHanded(parcel.document, mailedAt: Clocks.wall())
            boxes = left
            revision = parcel.document.revision
        }
        let state: UpReport.State = parcel.node.isReachedByMail ? .mailed : .away
        guard !boxes.isEmpty else {
            let why =
                parcel.problem?.message
                ?? (parcel.mailboxes.isEmpty
                    ? "no peer of it could be reached that could keep its change"
                    : "no peer of it would keep its change")
            outcomes.waits(
                name, .failed, revision: 0, at: [],
                error: (lost.map { "\($0.message); " } ?? "") + why,
                fix: parcel.problem?.hint ?? lost?.hint
                    ?? "meshproof up, once a peer of it is there")
            return
        }
        let place = boxes.joined(separator: ", ")
        if state == .mailed {
            outcomes.waits(name, .mailed, revision: revision, at: boxes)
            progress.finished(name, "mailed: revision \(revision) waits at \(place)", good: true)
            return
        }
        outcomes.waits(
            name, .away, revision: revision, at: boxes, error: "away; its change waits at \(place)",
            fix: "it fetches revision \(revision) by itself within a minute of being back; "
                + "no second up is needed")
        progress.finished(name, "away; its change waits at \(place)", good: false)
    }
}
