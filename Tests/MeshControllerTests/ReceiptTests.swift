import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Secrets
import TestSupport
import Testing

@Suite("A receipt says what verify found, and who says so")
struct ReceiptTests {
    private typealias Bench = ReceiptBench

    @Test("the signed bytes are those of DSSE's own example")
    func signedBytes() {
        let bytes = ReceiptEnvelope.signedBytes(
            type: "http://example.com/HelloWorld", payload: Array("hello world".utf8))
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "DSSEv1 29 http://example.com/HelloWorld 11 hello world")
        // Lengths are of bytes, not of characters.
        #expect(
            String(decoding: ReceiptEnvelope.signedBytes(type: "ü", payload: []), as: UTF8.self)
                == "DSSEv1 2 ü 0 ")
    }

    @Test("a receipt is genuine with the public key alone, until it expires")
    func genuine() throws {
        let bench = try Bench()
        let issued = try bench.issue(1)[0]
        let check = bench.check(issued.envelope)
        #expect(check.problems.isEmpty)
        let receipt = try #require(check.receipt)
        #expect(receipt.report == issued.report && receipt.report.receipt == 1)
        #expect(receipt.digest == issued.digest && receipt.expiresAt == issued.expiresAt)
        #expect(issued.expiresAt == Bench.now + 86_400)
        #expect(bench.codes(issued.envelope, now: issued.expiresAt - 1).isEmpty)
        #expect(bench.codes(issued.envelope, now: issued.expiresAt) == [.expired])
        #expect(bench.codes(issued.envelope, now: Bench.now - 299).isEmpty)
        #expect(bench.codes(issued.envelope, now: Bench.now - 301) == [.notYetValid])
    }

    @Test("a report without notes has no such field, and one from before they were there is read")
    func notes() throws {
        var report = Bench.report
        #expect(!String(decoding: try Wire.encode(report), as: UTF8.self).contains("notes"))
        #expect(try Wire.decode(VerifyReport.self, from: Wire.encode(report)).notes == nil)
        report.notes = ["the clock of gpu is off by about 199 s"]
        let again = try Wire.decode(VerifyReport.self, from: Wire.encode(report))
        #expect(again.notes == report.notes && again == report)
    }

    @Test("it names each edge and each node's facts by digests that anybody can compute")
    func subjects() throws {
        let bench = try Bench()
        let statement = try Bench.statement(try bench.issue(1)[0].envelope)
        #expect(statement.type == "https://in-toto.io/Statement/v1")
        #expect(
            statement.subject.map(\.name) == [
                "phone->webui", "webui->ollama", "webui->postgres", "facts/edge", "facts/gpu",
            ])
        #expect(
            statement.subject[4].digest == ["sha256": Digests.sha256(Array("facts of gpu".utf8))])
        let edge = try Wire.encode(statement.predicate.report.edges[1])
        #expect(statement.subject[1].digest == ["sha256": Digests.sha256(edge)])
        #expect(statement.predicate.meshID == statement.predicate.report.meshID)
        #expect(statement.predicate.previous == nil && statement.predicate.sequence == 1)
    }

    @Test("each receipt follows the one before, also after the controller was started anew")
    func follows() throws {
        let bench = try Bench()
        let issued = try bench.issue(3)
        let previous = try issued.map { try Bench.statement($0.envelope).predicate.previous }
        #expect(previous == [nil, issued[0].digest, issued[1].digest])
        let reader = try bench.mesh.state(writing: false)
        #expect(reader.knownControllerKey == bench.key)
        #expect(try reader.lastReceipt()?.digest == issued[2].digest)
        #expect(try reader.receiptEnvelope(2) == issued[1].envelope)
        let whole = bench.chain(issued, end: try reader.lastReceipt())
        #expect(whole.allProblems.isEmpty && whole.newest?.sequence == 3)
    }

    @Test("receipts made at the same time get a number each, and the row stays whole")
    func together() throws {
        let bench = try Bench()
        let state = bench.state
        let issued = try fanOut(Array(0..<24), limit: 8, name: "receipts") { _ in
            try? state.appendReceipt(
                Bench.report, facts: VerifySamples.facts, now: Bench.now)
        }.compactMap { $0 }.sorted { $0.sequence < $1.sequence }
        #expect(issued.map(\.sequence) == Array(1...24))
        #expect(bench.chain(issued, end: try bench.state.lastReceipt()).allProblems.isEmpty)
    }

    @Test("where nothing was made yet there is nothing, and a reader makes nothing")
    func nothing() throws {
        let mesh = try TestMesh(["edge"])
        let reader = try mesh.state(writing: false)
        #expect(try reader.lastReceipt() == nil && reader.receiptEnvelope(1) == nil)
        #expect(reader.knownControllerKey == nil && !Files.exists(mesh.root))
        _ = try mesh.state()
        #expect {
            _ = try mesh.state(writing: false).appendReceipt(
                Bench.report, facts: VerifySamples.facts, now: Bench.now)
        } throws: { ($0 as? ControllerError)?.code == .state }
    }

    @Test("a report that no receipt can be made of is refused, and takes no number")
    func refused() throws {
        let bench = try Bench()
        var reports = [VerifyReport](repeating: Bench.report, count: 4)
        reports[0].edges = []
        reports[1].edges.append(reports[1].edges[0])
        reports[2].nodes[0].facts = reports[2].nodes[1].facts
        reports[3].nodes.append(reports[3].nodes[0])
        func code(_ report: VerifyReport, _ facts: [String: [UInt8]], _ lifetime: Double)
            -> ControllerError.Code?
        {
            do {
                _ = try bench.state.appendReceipt(
                    report, facts: facts, lifetime: lifetime, now: Bench.now)
                return nil
            } catch { return error.code }
        }
        for report in reports { #expect(code(report, VerifySamples.facts, 3600) == .usage) }
        #expect(code(Bench.report, [:], 3600) == .usage)
        let more = VerifySamples.facts.merging(["db": [1]]) { one, _ in one }
        #expect(code(Bench.report, more, 3600) == .usage)
        for lifetime in [0, -1, .nan, .infinity] {
            #expect(code(Bench.report, VerifySamples.facts, lifetime) == .usage)
        }
        #expect(try bench.state.lastReceipt() == nil)
        #expect(code(Bench.report, VerifySamples.facts, 3600) == nil)
    }

    @Test("a key survives as base64 and as PEM, and nothing else is taken for one")
    func keys() throws {
        let key = try SigningKey().publicKey
        #expect(ReceiptKey.parse(key.description + "\n") == key)
        #expect(ReceiptKey.parse(ReceiptKey.pem(key)) == key)
        #expect(
            ReceiptKey.parse(ReceiptKey.pem(key).split(separator: "\n").joined(separator: "\r\n"))
                == key)
        for text in [
            "", "abc", "-----BEGIN PUBLIC KEY-----", "a b", String(key.description.dropLast()),
            ReceiptKey.pem(key).filter { $0 != "-" },
            // X25519 instead of Ed25519.
            ReceiptKey.pem(key).replacing("MCowBQYDK2Vw", with: "MCowBQYDK2Vu"),
        ] { #expect(ReceiptKey.parse(text) == nil, "\(text)") }
    }

    /// The digests of subjects are over the part of the payload as it stands there: other tools see the same.
    @Test("openssl and python agree that it is genuine")
    func otherTools() throws {
        let bench = try Bench()
        let folder = "/tmp/meshproof-receipt-\(UInt64.random(in: 0 ... .max))"
        try Files.makeFolder(folder)
        defer { try? Files.removeTree(folder) }
        try Files.replace("\(folder)/receipt", with: try bench.issue(1)[0].envelope)
        try Files.replace("\(folder)/key.pem", with: Array(ReceiptKey.pem(bench.key).utf8))
        let script = """
            import base64, hashlib, json
            e = json.load(open("receipt")); p = base64.b64decode(e["payload"]); t = e["payloadType"].encode()
            open("signed", "wb").write(b"DSSEv1 %d %s %d %s" % (len(t), t, len(p), p))
            open("sig", "wb").write(base64.b64decode(e["signatures"][0]["sig"]))
            s = json.loads(p); named = {x["name"]: x["digest"]["sha256"] for x in s["subject"]}
            for edge in s["predicate"]["report"]["edges"]:
                text = json.dumps(edge, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                assert named[edge["id"]] == hashlib.sha256(text.encode()).hexdigest(), text
            """
        try Files.replace("\(folder)/check.py", with: Array(script.utf8))
        let result = try Child.run([
            "sh", "-c",
            """
            cd \(folder) && python3 check.py &&
            openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile sig
            """,
        ])
        #expect(result.status.isSuccess, "\(result.text) \(result.errorText)")
        #expect(result.text.contains("Signature Verified Successfully"))
    }
}
