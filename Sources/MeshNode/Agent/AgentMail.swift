import MeshModel
package import NodeProtocol
import Secrets

/// Mail: what this node keeps for its peers, and what it fetches from them.
extension AgentCore {
    /// How long a change that came as mail may take to prove itself. *Units:* seconds.
    static let mailWindow = 60.0
    /// How often peers are asked while a change waits for one of them. *Units:* seconds.
    static let confirmInterval = 2.0
    /// How long nobody is asked after a controller was here. *Units:* seconds.
    static let mailRest = 30.0
    /// A controller that has staged a change commits it within this time. *Units:* seconds.
    static let stagingTime = 120.0

    /// The mail that the document wants which is committed, else in force.
    var mailTarget: DesiredMail? {
        if let pending = store.unconfirmed { return pending.taken.document.mail }
        return store.damage == nil ? store.current?.document.mail : nil
    }

    /// All that the thread which serves mail has to know.
    package var mailTable: MailTable {
        guard let mail = mailTarget, let target else { return MailTable() }
        let places = target.interfaces.flatMap { interface in
            interface.addresses.map {
                MailPlace(SocketEndpoint($0.address, mail.port), interface: interface.name)
            }
        }
        var peers: [IPAddress: String] = [:]
        for peer in mail.peers {
            for address in peer.addresses { peers[address] = peer.node }
        }
        return MailTable(
            places: places, peers: peers, waiting: mailbox.waiting)
    }

    /// Takes in what peers have said to the thread that serves mail.
    package func heardCalls(_ calls: [String: MailCall], trouble: String?, at now: Moment) {
        if let trouble, trouble != mailTrouble { log.warning("mail: \(trouble)") }
        mailTrouble = trouble
        for (node, call) in calls.sorted(by: { $0.key < $1.key }) {
            do throws(NodeError) {
                if try mailbox.heard(call, from: node, at: now) {
                    log.notice(
                        "mail: \(node) has taken its mail, and is at revision \(call.highest)")
                }
            } catch { log.error(error.description) }
        }
    }

    func keepMail(
        for node: String, revision: UInt64, sealed: String, at now: Moment
    ) throws(ProtocolError) {
        guard let mail = mailTarget, mail.peers.contains(where: { $0.node == node }) else {
            throw ProtocolError(
                .invalidDocument, "\(node) is no managed peer of this node, so it would not find it"
            )
        }
        guard let bytes = Base64.decode(sealed) else {
            throw ProtocolError(.malformed, "the mail is not base64")
        }
        try mailbox.keep(bytes, for: node, revision: revision, at: now)
        log.notice("mail: keeping revision \(revision) for \(node)")
    }

    // MARK: asking

    /// When somebody is to be asked. *Units:* monotonic seconds.
    package var mailDue: Double {
        if let pending = store.unconfirmed {
            return pending.isByMail && mailTarget != nil ? confirmDue : .infinity
        }
        return max(mailRound.nextDue ?? .infinity, mailRestsUntil)
    }

    /// Leaves peers alone for a while: on new peerings one end is to greet. Were both to ask at once, WireGuard would have
    /// each drop the other's greeting, and try again after 5 s.
    func restFromMail(at now: Moment) { mailRestsUntil = now.monotonic + Self.mailRest }

    /// Whom to ask now; they count as asked.
    package func mailToAsk(at now: Moment, chance: Double) -> [MailErrand] {
        guard let mail = mailTarget, now.monotonic >= mailDue else { return [] }
        let call = MailCall(
            highest: store.highestRevision, inForce: store.current?.document.revision ?? 0,
            isSettling: store.unconfirmed != nil)
        var names: [String]
        let confirming = store.unconfirmed?.taken.document.revision
        if confirming != nil {
            confirmDue = now.monotonic + Self.confirmInterval
            // A few at a time, others the next time.
            names = mail.peers.map(\.node)
            let first = confirmTurn % max(names.count, 1)
            names = Array((names[first...] + names[..<first]).prefix(MailRound.batch))
            confirmTurn += names.count
        } else {
            names = mailRound.take(now: now.monotonic, chance: chance)
        }
        let peers = Dictionary(
            mail.peers.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
        // Traffic goes by the first one that the peer is on.
        let interfaces = target?.interfaces ?? []
        return names.compactMap { peers[$0] }.map { peer in
            MailErrand(
                node: peer.node, places: peer.addresses.map { SocketEndpoint($0, mail.port) },
                interface: interfaces.first { interface in
                    interface.peers.contains { $0.node == peer.node }
                }?.name, call: call, confirming: confirming)
        }
    }

    /// Takes in what came of an errand.
    package func mailReplied(_ reply: MailReply, at now: Moment) {
        let peer = reply.errand.node
        if case .silent = reply.outcome {
            mailRound.missed(peer)
            return
        }
        mailRound.heard(peer)
        if let confirming = reply.errand.confirming {
            confirmByMail(confirming, reachedBy: peer, at: now)
        } else if case .mail(let sealed) = reply.outcome {
            do throws(ProtocolError) { try take(sealed, from: peer, at: now) } catch {
                // Once a peer and reason: a mailbox that is hostile has the log say it every minute otherwise.
                if mailRefusals.updateValue(error.message, forKey: peer) != error.message {
                    log.warning("mail from \(peer) is refused: \(error.message)")
                }
            }
        }
    }

    /// Takes a document that came as mail: by the same checks as one that a controller hands over.
    private func take(
        _ sealed: [UInt8], from peer: String, at now: Moment
    ) throws(ProtocolError) {
        guard store.unconfirmed == nil, now.monotonic >= stagedAt + Self.stagingTime else { return }
        guard store.damage == nil else {
            throw ProtocolError(
                .failed,
                "what this node has taken so far cannot be read, so nothing is known to be newer")
        }
        let (content, brought) = try unseal(sealed)
        guard content.meshID == identity.meshID, content.node == identity.node else {
            throw ProtocolError(.wrongName, "it is for another node, or another mesh")
        }
        if !content.succession.isEmpty { try succeed(content.succession) }
        let document = try admit(content.document, bringing: brought)
        log.notice("mail: revision \(document.revision) has come by \(peer)")
        let steps = try commit(
            document.revision, window: Self.mailWindow, from: 0, isByMail: true, at: now)
        log.notice("mail: revision \(document.revision) is applied, \(steps.count) steps")
        proveMail(at: now)
    }

    /// Has peers asked whether they can be reached since the change that came as mail.
    func proveMail(at now: Moment) {
        guard let pending = store.unconfirmed, pending.isByMail else { return }
        confirmDue = now.monotonic
        confirmTurn = 0
        let document = pending.taken.document
        // Nobody could answer, and nobody could be cut off.
        if document.mail == nil { confirmByMail(document.revision, reachedBy: nil, at: now) }
    }

    private func unseal(
        _ sealed: [UInt8]
    ) throws(ProtocolError) -> (MailContent, [(PresharedKeyID, SecretBytes)]) {
        do {
            for generation in try keys.mailPublicKeys().keys.sorted() {
                guard let key = try keys.mailKey(generation),
                    let opened = try MailSeal.open(sealed, with: key)
                else { continue }
                return try opened.withBytes {
                    bytes throws -> (MailContent, [(PresharedKeyID, SecretBytes)]) in
                    let (content, start) = try MailContent.read(bytes)
                    let width = MailContent.keyWidth
                    let brought = try content.presharedKeys.indices.map { index in
                        let from = start + index * width
                        let key = try SecretBytes(count: width) { memory in
                            memory.copyMemory(
                                from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + width]))
                        }
                        return (content.presharedKeys[index], key)
                    }
                    return (content, brought)
                }
            }
        } catch let error as ProtocolError {
            throw error
        } catch let error as NodeError {
            throw error.refusal
        } catch {
            throw ProtocolError(.failed, "it cannot be opened: \(error)")
        }
        throw ProtocolError(.signature, "it is sealed for none of this node's keys, or was changed")
    }

    /// A peer has answered over a new connection since the change: the node is not cut off.
    private func confirmByMail(_ revision: UInt64, reachedBy peer: String?, at now: Moment) {
        guard let pending = store.unconfirmed, pending.isByMail,
            pending.taken.document.revision == revision
        else { return }
        do { try store.confirm() } catch {
            log.error(error.description)
            return
        }
        log.notice(
            "revision \(revision) is confirmed: "
                + (peer.map { "\($0) answers over a new connection" } ?? "there is no peer to lose")
        )
        documentChanged(at: now)
        // Whoever keeps mail that this one makes old is to know.
        mailRound.begin(at: now.monotonic)
    }

    /// What peers there are, or are to be, has changed.
    func documentChanged(at now: Moment) {
        mailRound.follow(Set(mailTarget?.peers.map(\.node) ?? []))
        mailRefusals = [:]
        // While a change waits, it may yet be taken back, and mail with it.
        guard store.unconfirmed == nil, store.damage == nil else { return }
        stagedAt = -.infinity
        do throws(NodeError) {
            for name in try mailbox.drop(besides: Set(mailTarget?.peers.map(\.node) ?? [])) {
                log.notice("mail: dropped what was for \(name), which is no peer any more")
            }
        } catch { log.error(error.description) }
    }
}
