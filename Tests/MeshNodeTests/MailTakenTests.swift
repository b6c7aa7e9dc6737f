import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Secrets
import TestSupport
import Testing

@Suite("A document that comes as mail is taken like any other, and proves itself")
struct MailTakenTests {
    private let world: TestWorld

    init() throws {
        world = try TestWorld()
        try world.install(try document(1))
        world.pass(30)
    }

    /// A document whose peer keeps mail.
    private func document(
        _ revision: UInt64, address: String = "10.77.0.1/32",
        _ change: (inout NodeDocument) -> Void = { _ in }
    ) throws -> NodeDocument {
        let peer = DesiredMail.Peer(node: "edge", addresses: [try #require(IPAddress("10.77.0.2"))])
        return try world.document(revision, address: address) {
            $0.mail = DesiredMail(port: 51820, peers: [peer])
            change(&$0)
        }
    }

    private func seal(
        _ document: NodeDocument, by signer: SigningKey? = nil, to key: PublicKey? = nil,
        keys: [SecretBytes]? = nil, _ change: (inout MailContent) -> Void = { _ in }
    ) throws -> [UInt8] {
        let brought = keys ?? [world.presharedKey]
        var content = MailContent(
            meshID: world.identity.meshID, node: "gpu",
            document: try world.sign(document, by: signer),
            presharedKeys: brought.map { PresharedKeys.identify($0) }, succession: [])
        change(&content)
        var bytes = try content.head()
        for key in brought { key.withBytes { bytes += $0 } }
        let own = try key ?? #require(try world.keys.mailPublicKeys()[0])
        return try MailSeal.seal(try SecretBytes(wiping: &bytes), to: own)
    }

    private func errands() -> [MailErrand] { world.core.mailToAsk(at: world.now, chance: 0) }

    /// The agent asks, and a peer answers with this.
    @discardableResult
    private func deliver(_ outcome: MailReply.Outcome) throws -> MailErrand {
        world.core.kernelChanged(at: world.now)
        world.pass(11)
        let errand = try #require(errands().first)
        world.core.mailReplied(MailReply(errand: errand, outcome: outcome), at: world.now)
        return errand
    }

    @Test("nobody is asked for half a minute after a controller was here")
    func rests() throws {
        try world.install(try document(2))
        world.core.kernelChanged(at: world.now)
        world.pass(29)
        #expect(world.core.mailToAsk(at: world.now, chance: 0).isEmpty)
        world.pass(1)
        #expect(world.core.mailToAsk(at: world.now, chance: 0).map(\.node) == ["edge"])
    }

    @Test("it is applied with its preshared key, and confirmed once a peer answers anew")
    func takes() throws {
        let fresh = try PresharedKeys.generate()
        let id = PresharedKeys.identify(fresh)
        let sealed = try seal(
            try document(2, address: "10.77.0.7/32") {
                $0.interfaces[0].peers[0].presharedKey = id
            },
            keys: [fresh])
        let errand = try deliver(.mail(sealed))
        #expect(
            errand.node == "edge"
                && errand.places == [SocketEndpoint("10.77.0.2:51820")].compactMap(\.self))
        #expect(errand.interface == "mp0-lab")
        #expect(errand.call == MailCall(highest: 1, inForce: 1, isSettling: false))
        #expect(try world.hello().unconfirmed == 2)
        #expect(world.addresses == ["10.77.0.7/32"])
        #expect(world.keys.presharedKeyIDs().contains(id))

        let confirming = try #require(errands().first)
        #expect(confirming.confirming == 2 && confirming.call.isSettling)
        #expect(errands().isEmpty, "not at once again")
        // An answer to a question of before says nothing of now.
        world.core.mailReplied(MailReply(errand: errand, outcome: .nothing), at: world.now)
        #expect(try world.hello().unconfirmed == 2)
        world.core.mailReplied(MailReply(errand: confirming, outcome: .nothing), at: world.now)
        let hello = try world.hello()
        #expect(hello.revision == 2 && hello.unconfirmed == nil)
        #expect(!world.keys.presharedKeyIDs().contains(world.pskID), "the old one is wiped")
        world.pass(61)
        #expect(world.addresses == ["10.77.0.7/32"])
    }

    @Test("where no peer answers any more, it is taken back when its time is over")
    func goesBack() throws {
        try deliver(.mail(try seal(try document(2, address: "10.77.0.7/32"))))
        for _ in 0..<40 {
            for errand in errands() {
                world.core.mailReplied(
                    MailReply(errand: errand, outcome: .silent("no route")), at: world.now)
            }
            world.pass(2)
        }
        let hello = try world.hello()
        #expect(hello.revision == 1 && hello.rolledBack?.revision == 2)
        #expect(world.addresses == ["10.77.0.1/32"])
        // The same again is not taken: the controller has to leave another.
        try deliver(.mail(try seal(try document(2))))
        #expect(try world.hello().unconfirmed == nil)
        try deliver(.mail(try seal(try document(3))))
        #expect(try world.hello().unconfirmed == 3)
    }

    @Test(
        "an agent that is killed meanwhile goes on asking; a machine that is started anew goes back"
    )
    func restarts() throws {
        try deliver(.mail(try seal(try document(2, address: "10.77.0.7/32"))))
        try world.restart()
        let errand = try #require(errands().first)
        #expect(errand.confirming == 2)
        world.core.mailReplied(MailReply(errand: errand, outcome: .nothing), at: world.now)
        #expect(try world.hello().revision == 2)
        try deliver(.mail(try seal(try document(3, address: "10.77.0.8/32"))))
        try world.restart(afterReboot: true)
        #expect(try world.hello().revision == 2 && world.addresses == ["10.77.0.7/32"])
    }

    @Test("a document without anybody who keeps mail is confirmed at once")
    func alone() throws {
        try deliver(.mail(try seal(try world.document(2))))
        #expect(try world.hello().revision == 2)
        #expect(errands().isEmpty)
    }

    @Test("nothing is taken while a change of the controller is under way")
    func busy() throws {
        try world.stage(try document(2))
        try deliver(.mail(try seal(try document(3))))
        #expect(try world.hello().unconfirmed == nil)
        world.ask(.commit(revision: 2, window: 60))
        #expect(errands().isEmpty)
        world.ask(.confirm(revision: 2), from: 2)
        world.pass(30)
        // Where a controller staged something and went away, mail has its way after a while.
        try world.stage(try document(4))
        try deliver(.mail(try seal(try document(3))))
        #expect(try world.hello().unconfirmed == nil)
        world.pass(121)
        try deliver(.mail(try seal(try document(3))))
        #expect(try world.hello().unconfirmed == 3)
    }

    @Test("forged, old, foreign and misdirected mail is refused, and changes nothing")
    func refused() throws {
        let stranger = try SigningKey()
        let strangersKey = try WireGuardKeys.publicKey(of: try WireGuardKeys.generate())
        let good = try document(2)
        let other = try PresharedKeys.generate()
        var mails: [(String, [UInt8])] = [
            ("signed by somebody else", try seal(good, by: stranger)),
            ("sealed for somebody else", try seal(good, to: strangersKey)),
            ("old", try seal(try document(1))),
            ("of another mesh", try seal(good) { $0.meshID = String(repeating: "0", count: 32) }),
            ("for another node", try seal(good) { $0.node = "db" }),
            ("a document of another node", try seal(try document(2) { $0.node = "db" })),
            (
                "a document of another mesh",
                try seal(try document(2) { $0.meshID = String(repeating: "0", count: 32) })
            ),
            ("with a key that nobody names", try seal(good, keys: [world.presharedKey, other])),
            (
                "with another key by that name",
                try seal(good, keys: [other]) { $0.presharedKeys = [world.pskID] }
            ),
            (
                "with a peer's mailbox at a stranger's address",
                try seal(
                    try document(2) {
                        $0.mail?.peers[0].addresses = [IPAddress(ipv4: 0xc000_0201)]
                    })
            ),
            ("garbage", [UInt8](repeating: 9, count: 500)), ("nothing", []),
        ]
        var cut = try seal(good)
        cut.removeLast()
        mails.append(("cut off", cut))
        for (what, mail) in mails {
            try deliver(.mail(mail))
            let hello = try world.hello()
            #expect(hello.unconfirmed == nil && hello.highestRevision == 1, "\(what)")
        }
        #expect(world.keys.presharedKeyIDs() == [world.pskID])
        try deliver(.mail(try seal(good)))
        #expect(try world.hello().unconfirmed == 2, "and a good one is still taken")
    }

    @Test("a node that was away while the controller changed its key follows the chain in the mail")
    func succession() throws {
        let next = try SigningKey()
        let link = KeySuccession.make(
            meshID: world.identity.meshID, sequence: 1, lastReceipt: 0, from: world.controller,
            to: next)
        try deliver(.mail(try seal(try document(2), by: next)))
        #expect(try world.hello().unconfirmed == nil)
        try deliver(.mail(try seal(try document(2), by: next) { $0.succession = [link] }))
        #expect(try world.hello().unconfirmed == 2)
    }

    @Test("while what it has taken so far cannot be read, nothing is known to be newer")
    func damaged() throws {
        try Files.replace(world.folders.document("record"), with: Array("{".utf8))
        try world.restart()
        #expect(errands().isEmpty)
    }

    @Test("mail keys come and go with the set of WireGuard keys, and are told")
    func mailKeys() throws {
        #expect(try world.hello().mailKeys?.keys.sorted() == [0])
        #expect(Files.mode(world.folders.mailKey(generation: 0)) == 0o600)
        world.ask(.prepareKey(generation: 1))
        let keys = try #require(try world.hello().mailKeys)
        #expect(keys.keys.sorted() == [0, 1] && keys[0] != keys[1])
        #expect(try world.hello().keys[1] != keys[1])
        world.ask(.forgetKeys(wireguard: [1], ssh: []))
        #expect(try world.hello().mailKeys == [0: keys[0]].compactMapValues(\.self))
        #expect(!Files.exists(world.folders.mailKey(generation: 1)))
        // A set from before there was mail gets its key at the next start.
        try Files.remove(world.folders.mailKey(generation: 0))
        try world.restart()
        #expect(try world.hello().mailKeys?.keys.sorted() == [0])
    }

    /// The others have new keys, and this node's own is to stand for the new set as well, or alone.
    private func carried(_ revision: UInt64, alone: Bool = false) throws -> NodeDocument {
        try document(revision) { document in
            var fresh = document.interfaces[0]
            (fresh.name, fresh.generation, fresh.listenPort) = ("mp1-lab", 1, 51821)
            fresh.peers[0].publicKey = TestWorld.key(8)
            document.interfaces = alone ? [fresh] : [fresh] + document.interfaces
        }
    }

    /// A peer answers, so that what waits is confirmed.
    private func prove() throws {
        let errand = try #require(errands().first { $0.confirming != nil })
        world.core.mailReplied(MailReply(errand: errand, outcome: .nothing), at: world.now)
    }

    @Test(
        "where its key is to stand for another set, it does, with its mail key, until the former set ends"
    )
    func carries() throws {
        let (own, mailKey) = (try world.hello().keys[0], try world.hello().mailKeys?[0])
        let later = [try carried(3, alone: true), try carried(4, alone: true)]
        // What was left there by another time is no reason to refuse it.
        world.ask(.prepareKey(generation: 1))
        try deliver(.mail(try seal(try carried(2))))
        #expect(world.kernel.model.node.interfaces.map(\.name).sorted() == ["mp0-lab", "mp1-lab"])
        try prove()
        var hello = try world.hello()
        #expect(hello.keys == [0: own, 1: own].compactMapValues(\.self))
        #expect(hello.mailKeys == [0: mailKey, 1: mailKey].compactMapValues(\.self))

        world.pass(30)
        try deliver(.mail(try seal(later[0])))
        try prove()
        hello = try world.hello()
        #expect(hello.keys == [1: own].compactMapValues(\.self))
        #expect(hello.mailKeys == [1: mailKey].compactMapValues(\.self))
        #expect(!Files.exists(world.folders.key(generation: 0)))
        world.pass(30)
        try deliver(.mail(try seal(later[1], to: mailKey)))
        #expect(try world.hello().unconfirmed == 4, "mail for the same key is still opened")
    }

    @Test(
        "no other key than one that it has stands for a set, and none takes the place of one in force"
    )
    func carriesNoOther() throws {
        let foreign = try carried(2)
        for key in [TestWorld.key(5), .zero] {
            var document = foreign
            document.interfaces[0].publicKey = key
            try deliver(.mail(try seal(document)))
            #expect(try world.hello().unconfirmed == nil)
        }
        world.ask(.prepareKey(generation: 1))
        let other = try #require(try world.hello().keys[1])
        var document = try document(3)
        document.interfaces[0].publicKey = other
        try deliver(.mail(try seal(document)))
        #expect(try world.hello().unconfirmed == nil && world.hello().keys[1] == other)
    }

    @Test(
        "killed at any write of it, it takes the same or the next one, and has not lost its mail key"
    )
    func carriesThroughCrashes() throws {
        for point in 0..<12 {
            let test = try MailTakenTests()
            let world = test.world
            let (own, mailKey) = (try world.hello().keys[0], try world.hello().mailKeys?[0])
            world.storage.fuse = world.storage.changes + point
            try test.deliver(.mail(try test.seal(try test.carried(2), to: mailKey)))
            try world.restart()
            world.pass(130)
            try test.deliver(.mail(try test.seal(try test.carried(3), to: mailKey)))
            if try world.hello().unconfirmed != nil { try test.prove() }
            let hello = try world.hello()
            #expect(hello.revision >= 2, "point \(point)")
            #expect(hello.keys == [0: own, 1: own].compactMapValues(\.self), "point \(point)")
            #expect(
                hello.mailKeys == [0: mailKey, 1: mailKey].compactMapValues(\.self),
                "point \(point)")
        }
    }

    @Test("it keeps mail for its managed peers alone, and drops it with the peer")
    func keeps() throws {
        let mail = Base64.encode([UInt8](repeating: 5, count: 80))
        #expect(
            world.ask(.keepMail(node: "db", revision: 1, sealed: mail)).refusal == .invalidDocument)
        #expect(world.ask(.keepMail(node: "edge", revision: 1, sealed: "?")).refusal == .malformed)
        #expect(world.ask(.keepMail(node: "edge", revision: 4, sealed: mail)) == .done)
        #expect(try world.report().mail?.map(\.revision) == [4])
        let table = world.core.mailTable
        let own = try #require(SocketEndpoint("10.77.0.1:51820"))
        #expect(table.places == [MailPlace(own, interface: "mp0-lab")])
        #expect(table.peers.values.sorted() == ["edge"])
        #expect(table.waiting["edge"]?.revision == 4)
        world.core.heardCalls(
            ["edge": MailCall(highest: 4, inForce: 4, isSettling: false)], trouble: nil,
            at: world.now)
        #expect(try world.report().mail?.first?.takenAt == world.now.wall)
        #expect(world.core.mailTable.waiting["edge"]?.revision == 4, "whoever says so")

        #expect(world.ask(.keepMail(node: "edge", revision: 5, sealed: mail)) == .done)
        let alone = try document(2) {
            $0.interfaces[0].peers = []
            $0.mail = nil
        }
        world.ask(.stage(document: try world.sign(alone), presharedKeys: []))
        world.ask(.commit(revision: 2, window: 60))
        #expect(try world.report().mail?.count == 1, "it may yet be taken back")
        #expect(world.ask(.confirm(revision: 2), from: 2) == .done)
        #expect(try world.report().mail == [])
        #expect(world.core.mailTable == MailTable())
    }

    @Test("mail is not dropped for a change that is taken back")
    func keepsThroughRollback() throws {
        let mail = Base64.encode([UInt8](repeating: 5, count: 80))
        world.ask(.keepMail(node: "edge", revision: 4, sealed: mail))
        try world.stage(try document(2) { $0.mail = nil })
        world.ask(.commit(revision: 2, window: 30))
        #expect(world.core.mailTable.peers.isEmpty)
        world.pass(31)
        #expect(world.core.mailTable.waiting["edge"]?.revision == 4)
    }
}
