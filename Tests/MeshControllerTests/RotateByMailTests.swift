import MeshController
import MeshModel
import NodeProtocol
import Secrets
import Synchronization
import Testing

@Suite("A node that no command logs in to keeps its key, and fetches the others' new ones as mail")
struct RotateByMailTests {
    private let mesh: TestMesh
    private let node = Node(name: "laptop", connect: .join)
    private let mailKey: SecretBytes
    private let key: PublicKey

    init() throws {
        mesh = try TestMesh(["db", "edge"])
        mesh.topology.nodes.append(node)
        mailKey = try WireGuardKeys.generate()
        key = try WireGuardKeys.publicKey(of: try WireGuardKeys.generate())
        _ = try mesh.up()
        try join()
        _ = try mesh.up()
        try hear(false)
    }

    private func join(_ keys: [Int: PublicKey]? = nil, as other: Node? = nil) throws {
        let state = try mesh.state()
        let keys = keys ?? [0: key]
        let mail = try WireGuardKeys.publicKey(of: mailKey)
        try state.record(
            NodeHello(
                version: ProtocolVersion.current, program: "test", meshID: state.identity.meshID,
                node: (other ?? node).name, keys: keys,
                sshKeys: [0: SSHNodeKeys(client: key, host: key)],
                mailKeys: keys.mapValues { _ in mail }, revision: 0,
                highestRevision: 0, unconfirmed: nil, rolledBack: nil), of: other ?? node)
    }

    /// Whether its peers have shaken hands with it by the keys of set 1.
    private func hear(_ isHeard: Bool, at names: [String] = ["db", "edge"]) throws {
        for name in names {
            try mesh.machine(name).state.withLock { $0.neverHeard[1] = isHeard ? [] : ["laptop"] }
        }
    }

    /// What its peers say that it goes by: the mail that they keep, or the one before.
    private func settle(_ isSettled: Bool, at names: [String] = ["db", "edge"]) throws {
        for name in names {
            try mesh.machine(name).state.withLock { state in
                guard let revision = state.mail["laptop"]?.kept.revision else { return }
                state.mail["laptop"]?.kept.takenAt = 50
                state.mail["laptop"]?.kept.inForce = isSettled ? revision : revision - 1
            }
        }
    }

    /// By interface, the peers that a machine has.
    private func peers(_ name: String) throws -> [String: [String]] {
        let interfaces = try #require(mesh.machine(name).snapshot.document).interfaces
        return Dictionary(
            uniqueKeysWithValues: interfaces.map { ($0.name, $0.peers.map(\.node)) })
    }

    /// The mail that its peers keep.
    private func mail() throws -> NodeDocument {
        let sealed = try #require(try mesh.machine("db").snapshot.mail["laptop"]).sealed
        let opened = try #require(try MailSeal.open(sealed, with: mailKey))
        let content = try opened.withBytes { bytes throws in try MailContent.read(bytes).content }
        let payload = try #require(Base64.decode(content.document.payload))
        return try Wire.decode(NodeDocument.self, from: payload)
    }

    @Test(
        "its peers keep the old keys for it alone, and its mail has both sets, with one key of its own"
    )
    func waits() throws {
        let report = try mesh.rotate()
        #expect(report.outcome == .grace && report.isGood, "\(report.error ?? "")")
        #expect(report.grace.map(\.node) == ["laptop"])
        #expect(report.grace.first?.message.contains("takes its new keys by itself") == true)
        #expect(try peers("db") == ["mp1-lab": ["edge", "laptop"], "mp0-lab": ["laptop"]])
        let interfaces = try mesh.machine("db").snapshot.document?.interfaces ?? []
        let seen = interfaces.flatMap(\.peers).filter { $0.node == "laptop" }
        #expect(seen.map(\.publicKey) == [key, key])
        #expect(Set(seen.map(\.presharedKey)).count == 2)

        let document = try mail()
        #expect(document.interfaces.map(\.name) == ["mp1-lab", "mp0-lab"])
        #expect(document.interfaces.map(\.publicKey) == [key, key])
        for name in ["db", "edge"] {
            let machine = try mesh.machine(name).snapshot
            let theirs = document.interfaces.compactMap { interface in
                interface.peers.first { $0.node == name }?.publicKey
            }
            #expect(theirs == [1, 0].map { machine.key($0) })
        }
        #expect(try mesh.plan().hasChanges == false)
        #expect(try mesh.up().isGood)
    }

    @Test("once it goes by them for good, the old ones end, and its next mail has one set")
    func ends() throws {
        _ = try mesh.rotate()
        // Applied, and perhaps taken back: it is not sure yet.
        try hear(true)
        try settle(false)
        #expect(try mesh.rotate(.resume).outcome == .grace)
        try settle(true, at: ["db"])
        #expect(try mesh.rotate(.resume).outcome == .grace, "edge says otherwise")
        try settle(true)
        let end = try mesh.rotate(.resume)
        #expect(end.outcome == .rotated, "\(end.error ?? "")")
        #expect(end.arrived == ["laptop has taken the new keys"])
        #expect(end.notes.last?.hasPrefix("laptop keeps its own key") == true)
        for name in ["db", "edge"] {
            #expect(try peers(name).keys.sorted() == ["mp1-lab"])
            #expect(try mesh.machine(name).snapshot.generations == [1])
        }
        #expect(try mail().interfaces.map(\.name) == ["mp1-lab"])
        let keys = try mesh.state(writing: false).generations
        #expect(keys.wireguard == 1 && keys.nodesSince.keys.sorted() == ["laptop"])
        #expect(keys.nodesSince["laptop"] ?? .infinity < keys.wireguardSince ?? 0)
        let ssh = try mesh.state(writing: false).sshKeys(of: mesh.topology, generation: 1)
        #expect(ssh["laptop"]?.client == key, "for a tunnel that it may be given later")
        #expect(try mesh.plan().hasChanges == false)
        // The next one goes the same way.
        for name in ["db", "edge"] {
            try mesh.machine(name).state.withLock { $0.neverHeard[2] = ["laptop"] }
        }
        #expect(try mesh.rotate().outcome == .grace)
        #expect(try mail().interfaces.map(\.name) == ["mp2-lab", "mp1-lab"])
        #expect(try mail().interfaces.map(\.publicKey) == [key, key])
    }

    @Test("one that does not come in time, or is not to be waited for, has to join again")
    func late() throws {
        #expect(
            try mesh.rotate(.begin(wireguard: true, ssh: true, drain: 0, grace: 0.01)).outcome
                == .grace)
        let over = try mesh.rotate(.resume)
        #expect(over.outcome == .rotated, "\(over.error ?? "")")
        #expect(over.notes.contains { $0.contains("meshproof peer invite laptop") })
        #expect(try peers("db") == ["mp1-lab": ["edge"]])
        let outcome = try mesh.up().nodes.last
        #expect(outcome?.state == .awaitsJoin)
        #expect(try mesh.state(writing: false).generations.nodesSince.isEmpty)
    }

    @Test("joining again meanwhile gives it a key of its own")
    func joinsAgain() throws {
        _ = try mesh.rotate()
        let fresh = try WireGuardKeys.publicKey(of: try WireGuardKeys.generate())
        try join([0: key, 1: fresh])
        #expect(try mesh.up().isGood)
        let interfaces = try mesh.machine("db").snapshot.document?.interfaces ?? []
        let seen = interfaces.flatMap(\.peers).filter { $0.node == "laptop" }
        #expect(seen.map(\.publicKey) == [fresh, key])
        #expect(try mail().interfaces.map(\.publicKey) == [fresh, key])
        try hear(true)
        try settle(true)
        #expect(try mesh.rotate(.resume).outcome == .rotated)
        #expect(try mesh.state(writing: false).generations.nodesSince.isEmpty)
    }

    @Test("one that took them back by then has not got them, however it was heard once")
    func tookThemBack() throws {
        _ = try mesh.rotate(.begin(wireguard: true, ssh: true, drain: 0, grace: 0.01))
        try hear(true)
        try settle(false, at: ["edge"])
        let over = try mesh.rotate(.resume)
        #expect(over.notes.contains { $0.contains("did not take the new keys in time") })
        #expect(try peers("db") == ["mp1-lab": ["edge"]])
        #expect(try mesh.up().nodes.last?.state == .awaitsJoin)
    }

    @Test("a peer that cannot hear it has no say, and what it confirmed here itself needs none")
    func whoHasASay() throws {
        _ = try mesh.rotate()
        try hear(true, at: ["db"])
        try settle(true, at: ["db"])
        #expect(try mesh.rotate(.resume).outcome == .rotated)
        for name in ["db", "edge"] {
            try mesh.machine(name).state.withLock { $0.neverHeard[2] = ["laptop"] }
        }
        #expect(try mesh.rotate().outcome == .grace)
        try mesh.state().noteHanded(try mail())
        for name in ["db", "edge"] {
            try mesh.machine(name).state.withLock { $0.neverHeard[2] = [] }
        }
        #expect(try mesh.rotate(.resume).outcome == .rotated)
    }

    @Test("one more that joins meanwhile holds nothing up")
    func another() throws {
        _ = try mesh.rotate()
        let pad = Node(name: "pad", connect: .join)
        mesh.topology.nodes.append(pad)
        try join(
            [1: try WireGuardKeys.publicKey(of: try WireGuardKeys.generate())], as: pad)
        #expect(try mesh.up().isGood)
        #expect(try mesh.rotate(.resume).outcome == .grace)
        try hear(true)
        try settle(true)
        let end = try mesh.rotate(.resume)
        #expect(end.outcome == .rotated, "\(end.error ?? "")")
        #expect(try peers("db") == ["mp1-lab": ["edge", "laptop", "pad"]])
    }

    @Test("whoever took them in the last moment stays, whatever mailboxes have not heard")
    func lastMoment() throws {
        _ = try mesh.rotate(.begin(wireguard: true, ssh: true, drain: 0, grace: 0.01))
        try hear(true, at: ["edge"])
        let over = try mesh.rotate(.resume)
        #expect(over.outcome == .rotated && over.arrived == ["laptop has taken the new keys"])
        #expect(try peers("db") == ["mp1-lab": ["edge", "laptop"]])
    }

    @Test("it is cut off when it is gone on without, although it has the new keys by then")
    func without() throws {
        #expect(try mesh.rotate().outcome == .grace)
        try hear(true)
        try settle(true)
        #expect(try mesh.rotate(.resume, without: ["laptop"]).outcome == .rotated)
        #expect(try peers("db") == ["mp1-lab": ["edge"]])
        #expect(try mesh.up().nodes.last?.state == .awaitsJoin)
        #expect(try mesh.rotate().outcome == .rotated, "it is not waited for")
    }

    @Test("taken back, nothing is left, and it has heard of nothing")
    func takenBack() throws {
        let before = try mail().revision
        let edge = try mesh.machine("edge")
        let report = try mesh.rotate(
            progress: Breaker(at: .handshake) { edge.trouble(.applyFails) })
        #expect(report.outcome == .stopped && report.canGoBack)
        edge.trouble()
        #expect(try mesh.rotate(.abort).outcome == .takenBack)
        #expect(try mail().revision == before)
        #expect(try peers("db") == ["mp0-lab": ["edge", "laptop"]])
        #expect(try mesh.plan().hasChanges == false)
    }

    @Test("what needs it at a certain moment is refused, and says what to do instead")
    func refused() throws {
        func refusal(_ wish: RotateRun.Wish) throws -> ControllerError? {
            #expect(throws: ControllerError.self) { try mesh.rotate(wish) }
        }
        let none = try refusal(.begin(wireguard: true, ssh: false, drain: 0, grace: 0))
        #expect(none?.hint?.contains("--grace 1h") == true)
        #expect(try refusal(.beginPreshared())?.code == .joined)
        let scope = PeeringScope(nodes: ["db"])
        #expect(
            try refusal(.begin(wireguard: true, ssh: false, drain: 0, scope: scope))?.code
                == .joined)

        mesh.topology.services.append(Service(name: "pg", node: "db", kind: "postgres", port: 5432))
        mesh.topology.paths.append(
            Path(name: "data", edges: [Edge(from: "laptop", to: "pg", via: .ssh)]))
        let tunnel = try refusal(.begin(wireguard: true, ssh: true, drain: 0))
        #expect(tunnel?.message.contains("laptop->pg") == true)
        #expect(tunnel?.hint?.contains("meshproof rotate --wireguard") == true)
        #expect(try mesh.state(writing: false).openRotation == nil)
    }
}
