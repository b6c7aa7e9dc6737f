import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import StateStore
import Synchronization
import Testing

@testable import MeshController

@Suite("A token opens its gate once, and every other one fails alike", .serialized)
struct JoinGateTests {
    /// What a refusal looks like to who is refused, and what it cost the controller.
    struct Refusal: Equatable {
        let code: JoinChannelError.Code?
        let message: String
        let work: JoinKeyring.Work
    }

    private func refusal(_ rig: JoinRig, _ id: [UInt8], _ key: any SecretMaterial) -> Refusal {
        let before = rig.keyring.work
        var found: JoinChannelError?
        do { _ = try rig.dial(id, key) } catch { found = error as? JoinChannelError }
        let after = rig.keyring.work
        return Refusal(
            code: found?.code, message: found?.message ?? "",
            work: JoinKeyring.Work(
                looks: after.looks - before.looks,
                randomKeys: after.randomKeys - before.randomKeys,
                comparisons: after.comparisons - before.comparisons,
                choices: after.choices - before.choices))
    }

    @Test("wrong, unknown, used and expired: the same words after the same work")
    func fourRefusals() throws {
        let mesh = try TestMesh(["hub"])
        let state = try mesh.state()
        let fresh = try JoinRig(mesh, state: state)
        let wrong = refusal(fresh, fresh.token.invitation.id, try SecretBytes(random: 32))
        let stranger = try JoinToken(
            JoinRig.invitation(
                state, port: fresh.port, expires: fresh.token.invitation.expires))
        let unknown = refusal(fresh, stranger.invitation.id, try stranger.channelKey())
        let odd = refusal(fresh, Array("not an id".utf8), try stranger.channelKey())
        guard case .welcome(_, _) = try fresh.enter(fresh.token) else {
            Issue.record("the token's holder was not let in")
            return
        }
        let used = refusal(fresh, fresh.token.invitation.id, try fresh.token.channelKey())
        let late = try JoinRig(mesh, lasting: -1, state: state)
        let expired = refusal(late, late.token.invitation.id, try late.token.channelKey())

        #expect(wrong.code == .refused)
        #expect(wrong.work == JoinKeyring.Work(looks: 1, randomKeys: 1, comparisons: 2, choices: 2))
        for other in [unknown, odd, used, expired] { #expect(other == wrong) }
        #expect(late.gate.entrant == nil)
    }

    @Test("two that come at the same moment: one gets in")
    func race() throws {
        let mesh = try TestMesh(["hub"])
        let state = try mesh.state()
        for _ in 0..<5 {
            let rig = try JoinRig(mesh, state: state)
            // Both shake hands before either has said anything.
            let id = rig.token.invitation.id
            let streams = try (0..<2).map { _ in try rig.dial(id, try rig.token.channelKey()) }
            let proof = SecretText.encode(try rig.token.proof())
            let answers = try fanOut(streams, limit: 2, name: "enter") { stream -> JoinAdmission? in
                let deadline = Clocks.monotonic() + 10
                try? stream.send(
                    JoinEntry(
                        version: JoinVersion.current, agent: ProtocolVersion.current, program: "x",
                        proof: proof), deadline: deadline)
                return try? stream.receive(JoinAdmission.self, deadline: deadline)
            }
            let welcomes = answers.filter { if case .welcome(_, _) = $0 { true } else { false } }
            let refusals = answers.filter { if case .refused(_) = $0 { true } else { false } }
            #expect(welcomes.count == 1 && refusals.count == 1)
        }
    }

    @Test("the state holds no secret, and after a kill nobody can be let in by the old token")
    func killed() throws {
        let mesh = try TestMesh(["hub"])
        var token: JoinToken?
        do {
            let rig = try JoinRig(mesh)
            token = rig.token
            let kept = try #require(try rig.state.invite(rig.token.invitation.id))
            let text = try rig.token.text()
            let proof = try rig.token.proof()
            var hex = ""
            proof.withBytes { hex = Base64.hex($0) }
            #expect(kept.proof != hex && !text.contains(kept.proof))
        }
        // Nothing was closed in an orderly way; another controller opens the state.
        let old = try #require(token)
        let again = try JoinRig(mesh)
        #expect(try again.state.invite(old.invitation.id) == nil)
        let code = refusal(again, old.invitation.id, try old.channelKey()).code
        #expect(code == .refused)
        guard case .welcome(_, _) = try again.enter(again.token) else {
            Issue.record("the new token's holder was not let in")
            return
        }
    }

    @Test("a wrong proof within the channel, and another version, use nothing up")
    func wrongProof() throws {
        let rig = try JoinRig(try TestMesh(["hub"]))
        for proof in ["", "AAAA", SecretText.encode(try SecretBytes(random: 32))] {
            guard case .refused(let refusal) = try rig.enter(rig.token, proof: proof) else {
                Issue.record("let in with \(proof.count) characters")
                return
            }
            #expect(refusal.code == .failed)
        }
        guard case .refused(let version) = try rig.enter(rig.token, version: 99) else {
            Issue.record("let in with another version")
            return
        }
        #expect(version.code == .version)
        #expect(rig.gate.entrant == nil)
        guard case .welcome(_, _) = try rig.enter(rig.token) else {
            Issue.record("the token's holder was not let in")
            return
        }
        // What the node says of itself can do nothing to a terminal.
        #expect(rig.gate.entrant == JoinGate.Entrant(peer: "127.0.0.1", program: "0.1.0[31m"))
    }

    @Test("a token of another mesh, or of this one for another address, has another key")
    func bound() throws {
        let rig = try JoinRig(try TestMesh(["hub"]))
        var invitation = rig.token.invitation
        for change in [
            { $0.mesh = "other" }, { $0.node = "gpu" }, { $0.expires += 1 }, { $0.hosts = ["::1"] },
        ] as [(inout JoinInvitation) -> Void] {
            change(&invitation)
            let token = try JoinToken(invitation)
            #expect(refusal(rig, rig.token.invitation.id, try token.channelKey()).code == .refused)
        }
    }

    @Test("a frame too large, noise, and silence behind a good handshake use nothing up")
    func noise() throws {
        let rig = try JoinRig(try TestMesh(["hub"]))
        let key = try rig.token.channelKey()
        let large = [24, 16, 8, 0].map {
            UInt8(truncatingIfNeeded: (JoinLimits.frame + 1) >> $0)
        }
        var notes: [[UInt8]] = [large, [0, 0, 0, 0], [0, 0, 0, 2] + Array("{}".utf8)]
        for _ in 0..<20 {
            notes.append([0, 0, 0, 9] + (0..<9).map { _ in UInt8.random(in: 0...255) })
        }
        for bytes in notes {
            let stream = try rig.dial(rig.token.invitation.id, key)
            let deadline = Clocks.monotonic() + 10
            try stream.write(bytes, deadline: deadline)
            #expect((try? stream.read(deadline: deadline)) ?? [] == [], "hung up without a word")
        }
        let silent = try rig.dial(rig.token.invitation.id, key)
        guard case .welcome(_, _) = try rig.enter(rig.token) else {
            Issue.record("the token's holder was not let in")
            return
        }
        silent.close()
    }

    @Test("a clock that is set back does not lengthen a token")
    func clockSetBack() throws {
        let state = try TestMesh(["hub"]).state()
        let start = Clocks.wall()
        let token = try JoinToken(
            JoinRig.invitation(state, port: 1, expires: Int64(start) + 600))
        try state.open(token)
        let clocks = FakeClocks(wall: start, ticks: 50)
        let keyring = try JoinKeyring(
            token, state: state, until: 650, now: { clocks.wall.withLock { $0 } },
            ticks: { clocks.ticks.withLock { $0 } })
        let key = try token.channelKey()
        func opens() -> Bool {
            var isSame = false
            keyring.key(of: token.invitation.id).withBytes { given in
                key.withBytes { isSame = given.elementsEqual($0) }
            }
            return isSame
        }
        clocks.ticks.withLock { $0 = 649 }
        #expect(opens() && keyring.left == 1)
        // Ten minutes have passed, and the clock says that none has.
        clocks.ticks.withLock { $0 = 650 }
        #expect(!opens() && keyring.left == 0)
        #expect(try keyring.enter(proof: SecretText.encode(try token.proof())) == nil)
        // The other way round, as before.
        clocks.ticks.withLock { $0 = 50 }
        clocks.wall.withLock { $0 = start + 601 }
        #expect(!opens() && keyring.left < 0)
        clocks.wall.withLock { $0 = start }
        #expect(opens())
        #expect(try keyring.enter(proof: SecretText.encode(try token.proof())) != nil)
    }

    @Test("strangers are told of once each, by address")
    func strangers() throws {
        let rig = try JoinRig(try TestMesh(["hub"]))
        for _ in 0..<3 { _ = try? rig.dial([1], try SecretBytes(random: 32)) }
        let deadline = Clocks.monotonic() + 5
        var told: [String: Int] = [:]
        while told["127.0.0.1", default: 0] < 3 && Clocks.monotonic() < deadline {
            told.merge(rig.gate.takeRefused(), uniquingKeysWith: +)
            Clocks.sleep(0.02)
        }
        #expect(told == ["127.0.0.1": 3])
        #expect(rig.gate.takeRefused().isEmpty)
    }
}

/// Clocks that a test sets.
private final class FakeClocks: Sendable {
    let wall: Mutex<Double>
    let ticks: Mutex<Double>

    init(wall: Double, ticks: Double) {
        self.wall = Mutex(wall)
        self.ticks = Mutex(ticks)
    }
}
