import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Secrets
import TestSupport
import Testing

/// The program itself, with a state that has receipts, and on a machine that has nothing but files.
@Suite("Receipts are shown, handed on, and checked elsewhere")
final class ReceiptCommandTests {
    private let root = "/tmp/meshproof-receipts-\(UInt64.random(in: 0 ... .max))"
    private let program: String

    init() throws {
        let binary = getenv("MESHPROOF_BIN").map { String(cString: $0) } ?? ".build/debug/meshproof"
        let folder = getcwd(nil, 0)
        program =
            binary.hasPrefix("/") ? binary : String(cString: try #require(folder)) + "/" + binary
        free(folder)
        try Files.makeFolder(root)
        try Files.makeFolder("\(root)/elsewhere")
        try Files.replace("\(root)/topology.yaml", with: Array(Self.topology.utf8))
    }

    deinit { try? Files.removeTree(root) }

    private static let topology = """
        mesh: { name: homelab, network: 10.77.0.0/24 }
        nodes:
          edge: { connect: local, endpoint: 192.0.2.1 }
        services:
          webui: { on: edge, kind: open-webui }

        """

    /// Makes receipts: one of a fine mesh for each true, of a troubled one for each false.
    private func issue(_ fine: [Bool], lifetime: Double = 86_400) throws {
        let state = try ControllerState(
            StateFolders(state: "\(root)/state", keyFile: "\(root)/mesh.kek"), mesh: "homelab",
            passphraseFile: nil, writing: true)
        for isFine in fine {
            var report = VerifySamples.report { Digests.sha256($0) }
            if !isFine { report.edges[0].verdict = .exposed }
            report.topology.digest = Digests.sha256(Array(Self.topology.utf8))
            _ = try state.appendReceipt(
                report, facts: VerifySamples.facts, lifetime: lifetime, now: Clocks.wall())
        }
    }

    private struct Answer {
        let code: Int32?
        let text: String
        let errors: String
    }

    private func run(_ arguments: String..., elsewhere: Bool = false) throws -> Answer {
        let words = arguments.map { "'\($0)'" }.joined(separator: " ")
        let state = elsewhere ? "" : "--state '\(root)/state'"
        let place = elsewhere ? "\(root)/elsewhere" : root
        let result = try Child.run([
            "sh", "-c", "cd '\(place)' && HOME=/nonexistent '\(program)' receipt \(words) \(state)",
        ])
        var code: Int32?
        if case .code(let status) = result.status { code = status }
        return Answer(code: code, text: result.text, errors: result.errorText)
    }

    private func save(_ name: String, _ text: String) throws {
        try Files.replace("\(root)/elsewhere/\(name)", with: Array(text.utf8))
    }

    @Test("ls, show and key tell what there is")
    func shows() throws {
        #expect(try run("ls").text.hasPrefix("No receipt yet"))
        #expect(try run("show", "latest").code == 1)
        try issue([true, false])
        let list = try run("ls")
        #expect(list.code == 0)
        #expect(list.text.contains("3 of 3  ✓ encrypted  enforced  in 23 h"))
        #expect(list.text.contains("2 of 3  ✗ exposed"))
        let last = try run("ls", "--last", "1").text
        #expect(last.contains("1 earlier receipt") && !last.contains("✓ encrypted"))
        #expect(try run("ls", "--json").text.contains("\"proven\" : false"))
        let shown = try run("show", "latest")
        #expect(shown.code == 0 && shown.text.contains("follows      receipt 1, "))
        #expect(
            shown.text.contains("1 of 3 edges is not encrypted as asked: phone->webui (exposed)"))
        #expect(try run("show", "3").errors.contains("they go from 1 to 2"))
        let key = try run("key").text
        #expect(PublicKey(key.trimmingNewline) != nil)
        #expect(try ReceiptKey.parse(run("key", "--pem").text)?.description == key.trimmingNewline)
    }

    @Test("a file and the key are all that a check elsewhere needs")
    func elsewhere() throws {
        try issue([true, false])
        try save("one.json", try run("show", "1", "--json").text)
        try save("two.json", try run("show", "2", "--json").text)
        try save("key.pub", try run("key").text)
        try save("key.pem", try run("key", "--pem").text)
        let key = try run("key").text.trimmingNewline
        for key in ["key.pub", "key.pem", key] {
            let answer = try run("check", "one.json", "--key", key, elsewhere: true)
            #expect(answer.code == 0, "\(answer.text) \(answer.errors)")
            #expect(answer.text.contains("✓ receipt 1 of mesh homelab is genuine"))
            #expect(answer.text.contains("All 3 edges are encrypted"))
        }
        // Genuine, and what it says is bad news.
        #expect(try run("check", "two.json", "--key", key, elsewhere: true).code == 3)
        // In whatever order they are named.
        let both = try run("check", "two.json", "one.json", "--key", key, elsewhere: true)
        #expect(both.code == 3 && both.text.contains("receipts 1 to 2 of mesh homelab are genuine"))
        let other = try SigningKey().publicKey.description
        let wrong = try run("check", "one.json", "--key", other, elsewhere: true)
        #expect(wrong.code == 1 && wrong.text.contains("is not signed by the key"))
        #expect(try run("check", "one.json", elsewhere: true).code == 65)
        #expect(try run("check", "one.json", "--key", "nothing", elsewhere: true).code == 64)
        #expect(try run("check", "none.json", "--key", key, elsewhere: true).code == 1)
    }

    @Test("an expired one says so, and was right in its time")
    func expired() throws {
        try issue([true], lifetime: 60)
        try save("one.json", try run("show", "1", "--json").text)
        let key = try run("key").text.trimmingNewline
        let later = Timestamp.text(Clocks.wall() + 3600)
        let late = try run("check", "one.json", "--key", key, "--at", later, elsewhere: true)
        #expect(late.code == 1 && late.text.contains("receipt 1 expired at"))
        #expect(late.text.contains("Genuine, but expired"))
        #expect(try run("check", "one.json", "--key", key, elsewhere: true).code == 0)
        #expect(
            try run("check", "one.json", "--key", key, "--at", "noon", elsewhere: true).code == 64)
    }

    @Test("an exported log is checked for gaps, order and forks")
    func exported() throws {
        try issue([true, true, true, true])
        #expect(try run("ls", "--export", "elsewhere/log.jsonl").code == 0)
        let key = try run("key").text.trimmingNewline
        func check(_ file: String, whole: Bool = true) throws -> Answer {
            try whole
                ? run("check", file, "--all", "--key", key, elsewhere: true)
                : run("check", file, "--key", key, elsewhere: true)
        }
        #expect(try check("log.jsonl").code == 0)
        let bytes = try Files.read("\(root)/elsewhere/log.jsonl")
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        try save("gap.jsonl", [lines[0], lines[1], lines[3]].joined(separator: "\n"))
        try save("swap.jsonl", [lines[0], lines[2], lines[1], lines[3]].joined(separator: "\n"))
        try save("replay.jsonl", (lines + [lines[0]]).joined(separator: "\n"))
        try save("late.jsonl", lines[1...].joined(separator: "\n"))
        #expect(
            try check("gap.jsonl").text.contains(
                "gap.jsonl:3  receipt 3 is missing before receipt 4"))
        #expect(try check("swap.jsonl").text.contains("receipt 2 comes after receipt 3"))
        #expect(try check("replay.jsonl").text.contains("receipt 1 is there twice"))
        for file in ["gap.jsonl", "swap.jsonl", "replay.jsonl", "late.jsonl"] {
            #expect(try check(file).code == 1)
        }
        #expect(try check("late.jsonl", whole: false).code == 0)
        let json = try run(
            "check", "gap.jsonl", "--json", "--key", key, elsewhere: true)
        #expect(json.code == 1 && json.text.contains("\"code\" : \"gap\""))
    }

    @Test("the controller knows its own log, and a receipt that is not in it")
    func ownLog() throws {
        try issue([true, true])
        #expect(try run("check").code == 0)
        #expect(
            try run("check", "--all").text.contains("receipts 1 to 2 of mesh homelab are genuine"))
        try save("two.json", try run("show", "2", "--json").text)
        #expect(try run("check", "elsewhere/two.json").code == 0)
        // The state is lost but for the key, and starts again from nothing: what it signed before is unknown to it.
        let state = try ControllerState(
            StateFolders(state: "\(root)/state", keyFile: "\(root)/mesh.kek"), mesh: "homelab",
            passphraseFile: nil, writing: false)
        #expect(try state.lastReceipt()?.sequence == 2)
        let sqlite = """
            import sqlite3; c = sqlite3.connect("\(root)/state/state.db")
            c.execute("DELETE FROM entry WHERE key = 'receipt/log/0000000002'"); c.commit()
            """
        #expect(try Child.run(["python3", "-c", sqlite]).status.isSuccess)
        let foreign = try run("check", "elsewhere/two.json")
        #expect(foreign.code == 1 && foreign.text.contains("the controller's log has no receipt 2"))
        let log = try run("check", "--all")
        #expect(log.code == 1 && log.text.contains("ends with receipt 2, which is missing"))
        #expect(try run("ls").text.contains("not genuine"))
    }

    @Test("with -t the receipt has to be about that topology")
    func topology() throws {
        try issue([true])
        try save("one.json", try run("show", "1", "--json").text)
        try save("same.yaml", Self.topology)
        try save("other.yaml", Self.topology + "# changed\n")
        let key = try run("key").text.trimmingNewline
        #expect(
            try run("check", "one.json", "--key", key, "-t", "same.yaml", elsewhere: true).code == 0
        )
        let other = try run("check", "one.json", "--key", key, "-t", "other.yaml", elsewhere: true)
        #expect(other.code == 1 && other.text.contains("another topology than other.yaml"))
    }
}

extension String {
    /// The text without the newline that a command ends its answer with.
    fileprivate var trimmingNewline: String { hasSuffix("\n") ? String(dropLast()) : self }
}
