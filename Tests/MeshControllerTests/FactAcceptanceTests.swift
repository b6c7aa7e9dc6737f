import MeshController
import MeshModel
import NodeProtocol
import Secrets
import Testing

@Suite("Only a node's own facts of this run are taken")
struct FactAcceptanceTests {
    private static let nonce = "00112233445566778899aabbccddeeff"
    private let ant: SigningKey
    private let bee: SigningKey
    private let acceptance: FactAcceptance

    init() throws {
        ant = try SigningKey()
        bee = try SigningKey()
        acceptance = FactAcceptance(hostKeys: [
            "ant": [ant.publicKey], "bee": [bee.publicKey], "mute": [],
        ])
    }

    private func facts() -> NodeFacts {
        NodeFacts(
            node: "ant", meshID: "mesh", nonce: Self.nonce, program: "1", bootID: "boot",
            namespace: 1, began: FactTime(wall: 1_000, monotonic: 10),
            ended: FactTime(wall: 1_004, monotonic: 14))
    }

    private func admission(_ node: String = "ant") -> FactAdmission {
        FactAdmission(
            node: node, meshID: "mesh", nonce: Self.nonce, bootID: "boot", began: 1_000,
            ended: 1_005)
    }

    private func signed(
        _ facts: NodeFacts, by key: SigningKey, context: [UInt8] = SignedFacts.context
    ) throws -> SignedFacts {
        let payload = try Wire.encode(facts)
        return SignedFacts(
            payload: Base64.encode(payload), signature: Base64.encode(key.sign(context + payload)))
    }

    private func refusal(
        _ signed: SignedFacts, _ admission: FactAdmission? = nil
    ) -> MissingFacts? {
        switch acceptance.open(signed, admission ?? self.admission()) {
        case .success: nil
        case .failure(let refusal): refusal.missing
        }
    }

    @Test("its own, signed by its own key, are taken, with the bytes that it signed")
    func own() throws {
        let signed = try signed(facts(), by: ant)
        let accepted = try acceptance.open(signed, admission()).get()
        #expect(accepted.facts == facts())
        #expect(Base64.encode(accepted.payload) == signed.payload)
    }

    /// What is changed before the node itself signs, and what the refusal says.
    static let changes: [(String, @Sendable (inout NodeFacts) -> Void, String)] = [
        ("another node's name", { $0.node = "bee" }, "of bee"),
        ("another mesh", { $0.meshID = "other" }, "another mesh"),
        ("another run", { $0.nonce = String(repeating: "f", count: 32) }, "another run"),
        ("no run at all", { $0.nonce = "" }, "another run"),
        ("another boot", { $0.bootID = "next" }, "restarted"),
        ("no boot", { $0.bootID = "" }, "restarted"),
        (
            "an hour ago",
            {
                $0.began.wall -= 3_600
                $0.ended.wall -= 3_600
            }, "time of this run"
        ),
        (
            "an hour ahead",
            {
                $0.began.wall += 3_600
                $0.ended.wall += 3_600
            }, "time of this run"
        ),
        ("a clock that runs backwards", { $0.ended.monotonic = 9 }, "no sense"),
        ("a moment that is none", { $0.began.wall = .nan }, ""),
    ]

    @Test("what the node signed for something else is not taken", arguments: changes.indices)
    func other(_ place: Int) throws {
        let (what, change, words) = Self.changes[place]
        var facts = facts()
        change(&facts)
        // What JSON cannot say is never signed.
        guard let signed = try? signed(facts, by: ant) else { return }
        let missing = try #require(refusal(signed), "\(what)")
        #expect(missing.wereRefused && missing.message.contains(words), "\(missing.message)")
        #expect(!missing.fix.isEmpty)
    }

    @Test("another node's key is not this one's, whatever the facts say of themselves")
    func otherKey() throws {
        let missing = try #require(refusal(try signed(facts(), by: bee)))
        #expect(missing.message.contains("not signed by the key of ant"))
        // bee's own answer in ant's place.
        var own = facts()
        own.node = "bee"
        #expect(refusal(try signed(own, by: bee)) != nil)
        #expect(refusal(try signed(own, by: bee), admission("bee")) == nil)
    }

    @Test("a signature that the key made for another purpose is not taken")
    func otherContext() throws {
        #expect(refusal(try signed(facts(), by: ant, context: [])) != nil)
        let session = Array("SSH session".utf8)
        #expect(refusal(try signed(facts(), by: ant, context: session)) != nil)
    }

    @Test("a node whose key is not known is not believed")
    func noKey() throws {
        var facts = facts()
        facts.node = "mute"
        let missing = try #require(refusal(try signed(facts, by: ant), admission("mute")))
        #expect(missing.message.contains("no key of mute"))
    }

    @Test("not one bit of what was signed can be another")
    func tampered() throws {
        let genuine = try signed(facts(), by: ant)
        let payload = try #require(Base64.decode(genuine.payload))
        for place in stride(from: 0, to: payload.count, by: 7) {
            var changed = payload
            changed[place] ^= 1
            let forged = SignedFacts(
                payload: Base64.encode(changed), signature: genuine.signature)
            #expect(refusal(forged) != nil, "byte \(place)")
        }
        for text in ["", "!", Base64.encode([UInt8](repeating: 0, count: 64))] {
            #expect(
                refusal(SignedFacts(payload: genuine.payload, signature: text)) != nil)
            #expect(
                refusal(SignedFacts(payload: text, signature: genuine.signature)) != nil)
        }
    }
}
