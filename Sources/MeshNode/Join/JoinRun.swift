import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
package import Secrets
import Synchronization

/// `meshproof join`: brings this machine into a mesh by a token, without anybody logging in to it.
///
/// The machine dials; what the controller can ask of it is listed in ``NodeProtocol/JoinOrder``.
/// *Privilege:* root.
/// *Idempotency:* a node that was left half-way is brought on by another token for the same node.
package struct JoinRun: Sendable {
    private let token: JoinToken
    private let folders: NodeFolders
    private let say: @Sendable (JoinNews) -> Void

    /// How long the controller is tried for before anybody has answered. *Units:* seconds.
    private static let firstPatience = 30.0
    /// How long it is tried for once we were let in. *Units:* seconds.
    private static let patience = 30.0
    /// How long one dial may take. *Units:* seconds.
    private static let dialTimeout = 10.0

    /// Looks at a token before anything is dialled.
    ///
    /// *Throws:* ``NodeError`` `usage` for a token that is over, `otherController` where this machine is another node, or
    /// another controller's.
    package init(
        _ token: JoinToken, now: Double = Clocks.wall(), root: String = "",
        say: @escaping @Sendable (JoinNews) -> Void
    ) throws(NodeError) {
        let invitation = token.invitation
        guard let folders = NodeFolders(mesh: invitation.mesh, root: root) else {
            throw NodeError(.usage, "read token", "", "it names no mesh that can be")
        }
        self.token = token
        self.folders = folders
        self.say = say
        try Self.checkTime(invitation, now)
        try Self.checkIdentity(invitation, folders)
    }

    private static func checkTime(_ invitation: JoinInvitation, _ now: Double) throws(NodeError) {
        let late = now - Double(invitation.expires)
        guard late >= 0 else { return }
        let minutes = Int(min(late / 60, 1e9))
        let since = minutes == 0 ? "less than a minute" : "\(minutes) min"
        throw NodeError(
            .usage, "read token", "",
            "the token was over \(since) ago, by this machine's clock",
            hint:
                "run `meshproof peer invite \(invitation.node)` again; if this machine's clock is "
                + "wrong (see `date`), set it right first")
    }

    private static func checkIdentity(
        _ invitation: JoinInvitation, _ folders: NodeFolders
    ) throws(NodeError) {
        guard let pinned = try NodeIdentity.read(folders, FileStorage()) else { return }
        let what: String
        if pinned.node != invitation.node {
            what =
                "is node \(pinned.node) of a mesh of this name, and the token is for \(invitation.node)"
        } else if pinned.controllerKey != invitation.controllerKey {
            what = "has pinned another controller's key, or an older one of this controller"
        } else {
            // A former try has come this far: it goes on from there.
            return
        }
        throw NodeError(
            .otherController, "join", "", "this machine \(what)",
            hint:
                "if that is no longer wanted, run `meshproof node leave --mesh \(invitation.mesh)` here first; the token "
                + "is still good")
    }

    /// Joins.
    ///
    /// *Throws:* ``NodeError`` `join` where the controller cannot be reached, does not know the token, or could not bring
    /// this node to the end; the message says how the node is left.
    package func run() throws(NodeError) -> JoinOutcome {
        let dialler: JoinDialler
        do { dialler = try JoinDialler() } catch { throw Self.failure(error.message) }
        let session = try enter(dialler)
        say(.welcomed)
        if try ProgramInstaller(target: folders.binary).install() {
            say(.installed(folders.binary))
        }
        let service = JoinService(token.invitation, folders: folders, say: say)
        let end = try offer(session, dialler, service)
        if let error = end.error {
            throw Self.failure(
                "the controller could not bring this node to the end: \(Self.plain(error))",
                hint:
                    "mend that, then `meshproof peer invite \(token.invitation.node)` again: it goes on from here"
            )
        }
        return try outcome(end)
    }

    // MARK: The first connection

    /// A further connection's name and key, and the place where we were let in.
    private struct Session: Sendable {
        let id: [UInt8]
        let key: SecretBytes
        let host: String
    }

    /// Shows the token, at whichever of its places answers.
    private func enter(_ dialler: JoinDialler) throws(NodeError) -> Session {
        let invitation = token.invitation
        let key: SecretBytes
        do { key = try token.channelKey() } catch { throw NodeError("read token", error) }
        let deadline = Clocks.monotonic() + Self.firstPatience
        var reasons: [String] = []
        // At one of the places may be somebody else, who refuses whatever the token is.
        var refusing: Set<String> = []
        repeat {
            reasons = []
            for host in invitation.hosts where !refusing.contains(host) {
                say(.dialling(Endpoint(host: host, port: invitation.port).description))
                do throws(JoinChannelError) {
                    let stream = try dialler.dial(
                        host, port: invitation.port, as: invitation.id, key: key,
                        timeout: Self.dialTimeout)
                    return try admission(stream, host)
                } catch {
                    if error.code == .refused {
                        refusing.insert(host)
                    } else {
                        reasons.append(error.message)
                    }
                }
            }
            if reasons.isEmpty { break }
            say(.retrying(reasons.joined(separator: "; ")))
            Clocks.sleep(1)
        } while Clocks.monotonic() < deadline
        if !refusing.isEmpty { throw refused(elsewhere: reasons) }
        throw Self.failure(
            "the controller cannot be reached: \(reasons.joined(separator: "; "))",
            hint:
                "is `meshproof peer invite` still waiting there, and does a firewall let TCP port "
                + "\(invitation.port) through? Nothing was changed on this machine")
    }

    /// All that can be wrong with a token looks the same from outside.
    private func refused(elsewhere reasons: [String]) -> NodeError {
        let others =
            reasons.isEmpty
            ? "" : ". The token's other places: \(reasons.joined(separator: "; "))"
        return Self.failure(
            "whoever answers there does not take this token: it was used already, is over by the controller's "
                + "clock, or was replaced by a newer one; or somebody else answers in the controller's place"
                + others,
            hint:
                "run `meshproof peer invite \(token.invitation.node)` again and use its token at once; compare "
                + "both clocks (`date`). Nothing was changed on this machine")
    }

    private func admission(_ stream: JoinStream, _ host: String) throws(JoinChannelError) -> Session
    {
        let deadline = Clocks.monotonic() + Self.dialTimeout
        defer { stream.close() }
        let answer: JoinAdmission
        do {
            let entry = JoinEntry(
                version: JoinVersion.current, agent: ProtocolVersion.current,
                program: ProgramVersion.current, proof: SecretText.encode(try token.proof()))
            try stream.write(try FrameReader.frame(try Wire.encode(entry)), deadline: deadline)
            answer = try JoinFrames.receive(JoinAdmission.self, from: stream, deadline: deadline)
        } catch let error as JoinChannelError {
            throw error
        } catch { throw JoinChannelError(.garbled, "\(error)") }
        switch answer {
        case .welcome(let id, let key):
            guard let id = Base64.decode(id), id.count == JoinInvitation.idLength,
                let key = try? SecretText.decode(key, count: 32)
            else { throw JoinChannelError(.garbled, "the controller's welcome makes no sense") }
            return Session(id: id, key: key, host: host)
        case .refused(let refusal):
            // It has the token's secret, so its words are the controller's.
            throw refusal.code == .version
                ? JoinChannelError(
                    .garbled,
                    Self.plain(refusal.message) + "; here is \(ProgramVersion.current)")
                : JoinChannelError(.refused, "refused")
        }
    }

    // MARK: Further connections

    /// How often a connection is offered, and how long it is left there. *Units:* seconds.
    private static let pace = 0.5
    private static let offered = 4.0

    /// Offers connections until the controller says that it is over: always one that was just made, so that whenever it
    /// needs one it has one, and knows that there is a way now.
    private func offer(
        _ session: Session, _ dialler: JoinDialler, _ service: JoinService
    ) throws(NodeError) -> JoinEnd {
        let invitation = token.invitation
        var lastGood = Clocks.monotonic()
        var threads = JoinThreads()
        defer { threads.join() }
        while true {
            do throws(JoinChannelError) {
                let stream = try dialler.dial(
                    session.host, port: invitation.port, as: session.id, key: session.key,
                    timeout: Self.dialTimeout)
                lastGood = Clocks.monotonic()
                threads.keep(
                    try Self.serving { service.serve(stream, patience: Self.offered) })
            } catch {
                if service.end == nil {
                    if error.code == .refused || Clocks.monotonic() - lastGood > Self.patience {
                        service.stop()
                        throw lost(service)
                    }
                    say(.retrying(error.message))
                }
            }
            if service.waits(seconds: Self.pace) == .ended, let end = service.end { return end }
        }
    }

    private static func serving(
        _ body: @escaping @Sendable () -> Void
    ) throws(JoinChannelError) -> Worker {
        do { return try Worker("join-serve", body) } catch {
            throw JoinChannelError(.system, "\(error)")
        }
    }

    private func lost(_ service: JoinService) -> NodeError {
        let state =
            service.isEnrolled
            ? "This machine is enrolled as \(token.invitation.node); its agent runs, and may have its settings or not"
            : "Nothing of the mesh is on this machine but the program in \(folders.binary)"
        return Self.failure(
            "the controller has gone in the middle",
            hint:
                "\(state). `meshproof peer invite \(token.invitation.node)` again goes on from here"
        )
    }

    // MARK: What became of it

    private func outcome(_ end: JoinEnd) throws(NodeError) -> JoinOutcome {
        let storage = FileStorage()
        guard let identity = try NodeIdentity.read(folders, storage) else {
            throw Self.failure("the join is over, but this machine is not enrolled")
        }
        let store = DocumentStore(folders, storage, NodeKeys(folders, storage))
        try store.load(DocumentCheck(identity))
        guard let document = store.current?.document else {
            throw Self.failure("the join is over, but the agent has no document")
        }
        let addresses = document.interfaces.first?.addresses.map(\.address.description) ?? []
        let peers = Set(document.interfaces.flatMap(\.peers).map(\.node)).sorted()
        return JoinOutcome(
            mesh: document.mesh, node: document.node, addresses: addresses, peers: peers,
            reaches: end.reaches.prefix(100).map(Self.plain))
    }

    /// The controller's words without what a terminal would obey.
    static func plain(_ text: String) -> String {
        String(
            decoding: text.utf8.prefix(500).map { (0x20...0x7e).contains($0) ? $0 : 0x3f },
            as: UTF8.self)
    }

    static func failure(_ message: String, hint: String = "") -> NodeError {
        NodeError(.join, "join", "", message, hint: hint)
    }
}
