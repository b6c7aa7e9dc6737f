import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Secrets
import Testing

@Suite("A node refuses a document")
struct DocumentTests {
    @Test("that another key signed, or that was changed after it was signed")
    func forged() throws {
        let world = try TestWorld()
        let document = try world.document(1)
        let other = try SigningKey()
        var forged = [try world.sign(document, by: other)]
        let signed = try world.sign(document)
        var changed = signed
        changed.payload = Base64.encode(try Wire.encode(try world.document(2)))
        forged.append(changed)
        var cut = signed
        cut.signature = Base64.encode([UInt8](repeating: 0, count: 64))
        forged.append(cut)
        cut.signature = ""
        forged.append(cut)
        cut.signature = "no base64"
        forged.append(cut)
        // The bare payload, signed without the context that sets it apart.
        let payload = try Wire.encode(document)
        forged.append(
            SignedDocument(
                payload: Base64.encode(payload),
                signature: Base64.encode(world.controller.sign(payload))))
        for document in forged {
            let answer = world.ask(.stage(document: document, presharedKeys: []))
            #expect(answer.refusal == .signature)
        }
        #expect(!Files.exists(world.folders.document("staged")))
    }

    @Test("that it has taken already, or that is older")
    func replayed() throws {
        let world = try TestWorld()
        let first = try world.document(5)
        try world.install(first)
        #expect(try world.stage(first).refusal == .staleRevision)
        #expect(try world.stage(try world.document(4)).refusal == .staleRevision)
        try world.stage(try world.document(6))
        world.ask(.commit(revision: 6, window: 60))
        world.ask(.rollback(revision: 6))
        #expect(
            try world.stage(try world.document(6)).refusal == .staleRevision, "taken back is taken")
        try world.restart()
        #expect(try world.stage(try world.document(6)).refusal == .staleRevision)
    }

    private typealias Mistake = @Sendable (inout NodeDocument) -> Void

    private static let mistakes: [(ProtocolError.Code, Mistake)] = [
        (.wrongName, { $0.node = "edge" }),
        (.wrongName, { $0.mesh = "prod" }),
        (.wrongName, { $0.meshID = String(repeating: "cd", count: 16) }),
        (.invalidDocument, { $0.format = 99 }),
        (.invalidDocument, { $0.interfaces[0].publicKey = TestWorld.key(3) }),
        (.invalidDocument, { $0.interfaces[0].generation = 1 }),
        (.invalidDocument, { $0.interfaces[0].name = "eth0" }),
        (.invalidDocument, { $0.interfaces[0].name = "mp0-prod" }),
        (.invalidDocument, { $0.interfaces[0].listenPort = 0 }),
        (.invalidDocument, { $0.interfaces[0].mtu = 100 }),
        (.invalidDocument, { $0.interfaces[0].mtu = 100_000 }),
        (.invalidDocument, { $0.interfaces.append($0.interfaces[0]) }),
        (.invalidDocument, { $0.interfaces[0].networks = [] }),
        (
            .invalidDocument,
            { $0.interfaces[0].networks = IPPrefix("0.0.0.0/0").map { [$0] } ?? [] }
        ),
        (
            .invalidDocument,
            { $0.interfaces[0].networks = IPPrefix("127.0.0.0/8").map { [$0] } ?? [] }
        ),
        (.invalidDocument, { $0.interfaces[0].addresses = [] }),
        (
            .invalidDocument,
            { $0.interfaces[0].addresses = IPPrefix("10.78.0.1/32").map { [$0] } ?? [] }
        ),
        (
            .invalidDocument,
            { $0.interfaces[0].addresses = IPPrefix("10.77.0.1/24").map { [$0] } ?? [] }
        ),
        (.invalidDocument, { $0.interfaces[0].peers[0].publicKey = .zero }),
        (.invalidDocument, { $0.interfaces[0].peers[0].publicKey = $0.interfaces[0].publicKey }),
        (.invalidDocument, { $0.interfaces[0].peers.append($0.interfaces[0].peers[0]) }),
        (
            .invalidDocument,
            { $0.interfaces[0].peers[0].allowedIPs = IPPrefix("0.0.0.0/0").map { [$0] } ?? [] }
        ),
        (
            .invalidDocument,
            { $0.interfaces[0].peers[0].allowedIPs = IPPrefix("10.77.0.1/32").map { [$0] } ?? [] }
        ),
        (
            .invalidDocument,
            { $0.interfaces[0].peers[0].presharedKey = PresharedKeyID(rawValue: "../../../etc/x") }
        ),
        (
            .invalidDocument,
            {
                $0.interfaces[0].peers[0].presharedKey =
                    PresharedKeyID(rawValue: String(repeating: "0", count: 32))
            }
        ),
        (.invalidDocument, { $0.interfaces[0].peers[0].presharedKey = .unmade }),
        (.invalidDocument, { $0.interfaces[0].peers[0].endpoint = Endpoint("10.77.0.7:1") }),
        (.invalidDocument, { $0.interfaces[0].peers[0].endpoint = Endpoint("198.51.100.1:0") }),
        (.malformed, { $0.interfaces[0].peers[0].endpoint = Endpoint(host: "a b", port: 1) }),
        (.invalidDocument, { $0.interfaces[0].peers[0].node = "" }),
    ]

    @Test("that is for somebody else, or that makes no sense", arguments: mistakes.indices)
    func mistaken(index: Int) throws {
        let (code, mistake) = Self.mistakes[index]
        let world = try TestWorld()
        let document = try world.document(1, mistake)
        let sent =
            document.interfaces.first?.peers.first?.presharedKey == world.pskID
            ? [world.payload()] : []
        let answer = world.ask(
            .stage(document: try world.sign(document), presharedKeys: sent))
        #expect(answer.refusal == code)
        #expect(world.kernel.attempts == 0)
        #expect(!Files.exists(world.folders.document("staged")))
    }

    @Test("whose preshared keys are not there, not the ones it names, or more than it names")
    func presharedKeys() throws {
        let world = try TestWorld()
        let signed = try world.sign(try world.document(1))
        #expect(
            world.ask(.stage(document: signed, presharedKeys: [])).refusal == .invalidDocument)
        let stranger = try PresharedKeys.generate()
        let swapped = PresharedKeyPayload(id: world.pskID, key: SecretText.encode(stranger))
        #expect(
            world.ask(.stage(document: signed, presharedKeys: [swapped])).refusal
                == .invalidDocument)
        let extra = PresharedKeyPayload(
            id: PresharedKeys.identify(stranger), key: SecretText.encode(stranger))
        #expect(
            world.ask(.stage(document: signed, presharedKeys: [world.payload(), extra])).refusal
                == .invalidDocument)
        #expect(world.keys.presharedKeyIDs().isEmpty)
        // Once kept it need not be sent again.
        try world.install(try world.document(1))
        let second = try world.sign(try world.document(2))
        #expect(world.ask(.stage(document: second, presharedKeys: [])).refusal == nil)
    }

    @Test("only where it is to be taken: a preview needs no signature, no key and no preshared key")
    func preview() throws {
        let world = try TestWorld()
        let document = try world.document(1) {
            $0.interfaces[0].publicKey = .zero
            $0.interfaces[0].peers[0].publicKey = .zero
            $0.interfaces[0].peers[0].presharedKey = .unmade
        }
        guard case .steps(let steps) = world.ask(.preview(document: document)) else {
            Issue.record("no steps")
            return
        }
        #expect(steps.contains { $0.summary.hasPrefix("add peer edge (key not made yet)") })
        #expect(world.kernel.attempts == 0)
        let other = try world.document(1) { $0.node = "edge" }
        #expect(world.ask(.preview(document: other)).refusal == .wrongName)
    }

    @Test("and a hello of another version")
    func version() throws {
        let world = try TestWorld()
        #expect(world.ask(.hello(version: 99)).refusal == .version)
    }

    @Test("and keeps keys in files that only root can read, and nowhere else")
    func secretsAtRest() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let secret = SecretText.encode(world.presharedKey)
        var holders: [String] = []
        func walk(_ path: String) throws {
            if Files.isFolder(path) {
                #expect(Files.mode(path) == 0o700, "\(path)")
                for name in try Files.list(path) { try walk("\(path)/\(name)") }
            } else {
                #expect(Files.mode(path) == 0o600, "\(path)")
                if String(decoding: try Files.read(path), as: UTF8.self).contains(secret) {
                    holders.append(path)
                }
            }
        }
        try walk(world.folders.state)
        #expect(holders == ["\(world.folders.presharedKeys)/\(world.pskID.rawValue).key"])
        #expect(!"\(try world.report())".contains(secret))
    }
}
