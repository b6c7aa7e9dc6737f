import Glibc
import TestSupport
import Testing
import TopologyFile

@Suite("Hostile input is refused with a reason, never swallowed")
struct HostileInputTests {
    private func messages(_ bytes: [UInt8]) -> [String] {
        TopologyFile.parse(bytes, name: "t.yaml").diagnostics.map(\.description)
    }

    @Test("a file of 10 MB is refused unread")
    func large() {
        let found = messages([UInt8](repeating: 0xff, count: 10_000_000))
        #expect(
            found == [
                "t.yaml:1:1: error: the file is 10000000 bytes; at most 1048576 are read; fix: check that this is a topology; split a mesh this large in two"
            ])
    }

    @Test("deep nesting is refused at its 65th level", arguments: ["[", "{a: ", "- ", "? "])
    func deep(_ open: String) {
        let text = String(repeating: open, count: 100_000)
        let found = TopologyFile.parse(Array(text.utf8), name: "t.yaml")
        #expect(found.topology == nil)
        #expect(found.diagnostics.contains { $0.message == "nested more than 64 levels deep" })
    }

    @Test("aliases that multiply are refused")
    func laughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...8 {
            let inner = (0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ", ")
            text += "a\(level): &a\(level) [\(inner)]\n"
        }
        let found = TopologyFile.parse(Array(text.utf8), name: "t.yaml")
        #expect(found.diagnostics.contains { $0.message.contains("more than 200000 values") })
        #expect(found.topology == nil)
    }

    @Test("hundreds of aliases are refused")
    func aliases() {
        let text = "a: &a x\nb: [" + String(repeating: "*a, ", count: 1000) + "]\n"
        let found = TopologyFile.parse(Array(text.utf8), name: "t.yaml")
        #expect(found.diagnostics.contains { $0.message == "more than 256 aliases" })
    }

    /// Byte sequences of The Unicode Standard, table 3-7, each just outside of what is well formed.
    @Test(
        "bytes that are not UTF-8 are refused at their place",
        arguments: [
            [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xc2], [0xe0, 0x9f, 0x80], [0xed, 0xa0, 0x80],
            [0xe2, 0x82], [0xf0, 0x8f, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80],
            [0xf5, 0x80, 0x80, 0x80],
            [0xff, 0xfe],
        ] as [[UInt8]])
    func notUTF8(_ bytes: [UInt8]) {
        let found = messages(Array("mesh:\n  é".utf8) + bytes + Array(": x\n".utf8))
        #expect(
            found == [
                "t.yaml:2:4: error: the file is not UTF-8 text; fix: save it as UTF-8; check that it is a topology"
            ])
    }

    @Test("UTF-16 is refused, not guessed")
    func utf16() {
        #expect(messages([0xff, 0xfe] + Array("m\0e\0".utf8)).first?.contains("not UTF-8") == true)
        #expect(messages(Array("m\0e\0".utf8)).first?.contains("control character") == true)
    }

    @Test("well-formed text of all lengths is no mistake of encoding")
    func wellFormed() {
        let found = messages(Array("# é € 𝕏 \u{10ffff}\n".utf8))
        #expect(found.count == 1 && found[0].contains("the file is empty"))
    }

    /// Each line is repeated with growing numbers; what takes quadratic time would hang the suite.
    @Test(
        "a large file of one thing is gone through once",
        arguments: [
            "nodes:\n|  n@: {}\n", "nodes:\n|  n@: { connect: ssh://h@, endpoint: h@ }\n",
            "mesh:\n  network:\n|    - 10.@.0.0/16\n", "mesh:\n  name: x\n|  key@: 1\n",
            "paths:\n  p:\n    edges:\n|      - a@ -> b@: wireguard\n",
            "paths:\n  p:\n    edges:\n      - a -> b: wireguard\n|        c@ -> d: ssh\n",
            "forbid:\n|  - a@ -> b\n", "lab:\n  services:\n|    s@: { run: x }\n",
            "nodes: { a: { connect: local } }\nservices:\n|  s@: { on: a, kind: http }\n",
            "nodes: { a: { connect: local } }\nservices:\n|  s@: { on: a, kind: tcp, port: 1, bind: 127.0.0.@ }\n",
            "nodes:\n  a:\n    addresses:\n|      - 10.0.0.@\n", "a: &a x\nb:\n|  - &b@ y\n",
            "|# @\n", "|x@",
            "a: \"|x@ ", "a: '|\n@ ", "a: |+\n|  @\n", "|%TAG !t@! x\n", "|!t@ ", "|- - - @\n",
            "|{a@: ", "|? @\n", "a: [|b@, ", "|--- @\n",
        ])
    func repeated(_ pattern: String) {
        let bar = pattern.firstIndex(of: "|") ?? pattern.startIndex
        let repeating = pattern[pattern.index(after: bar)...]
        var text = String(pattern[..<bar])
        var number = 0
        while text.utf8.count < 150_000 {
            text += repeating.replacing("@", with: "\(number)")
            number += 1
        }
        let outcome = TopologyFile.parse(Array(text.utf8), name: "t.yaml")
        #expect(outcome.topology == nil)
        #expect((1...201).contains(outcome.diagnostics.count))
    }

    @Test("mutated topologies are refused or read, and never break the parser")
    func mutated() throws {
        let wanted = fuzzRounds(10_000)
        let seeds = try [
            ExampleTests.example(), Array(TopologyFile.starter(mesh: "lab").utf8),
            Array(
                Samples.file(paths: "paths: { p: { edges: [ webui -> ollama: wireguard ] } }").utf8),
            Array("a: &a [1, *a, \"x\\u00e9\", 'y', |\n  z\n]\n--- !t\n? b\n: - c\n".utf8),
        ]
        var mutator = Mutator(seed: 0x6d70_7031)
        var read = 0
        for round in 0..<wanted {
            // The large example costs ten times a small file: take it one time in eight.
            let seed = round % 8 == 0 ? seeds[0] : seeds[1 + round % 3]
            let input = mutator.mutate(seed)
            let outcome = TopologyFile.parse(input, name: "t.yaml")
            let isValid = outcome.topology != nil
            if isValid { read += 1 }
            #expect(isValid == outcome.errors.isEmpty, "seed \(round)")
            #expect(
                outcome.diagnostics.allSatisfy {
                    $0.line >= 1 && $0.column >= 1 && !$0.message.isEmpty
                })
        }
        // Some survive, most do not: otherwise the mutations test nothing.
        #expect(read > 0 && read < wanted)
    }
}

/// Damages bytes in the ways that break parsers, the same way every time.
struct Mutator {
    private var random: SplitMix
    private static let tokens: [[UInt8]] = [
        "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "\"", "'", "|\n", ">\n", "? ", "# ", "\n",
        "\t",
        "---\n", "...\n", "!!", "<<: ", "-> ", "%", "\\", "0", "-1", "99999999999999999999", "::",
        "/0", "/129",
        "ssh://", "@", "~", "null", "\u{feff}", "\u{2028}", "é",
    ].map { Array($0.utf8) }

    init(seed: UInt64) { random = SplitMix(seed) }

    mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }

    mutating func mutate(_ input: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0...below(4) {
            let at = below(bytes.count + 1)
            let end = min(bytes.count, at + below(24))
            switch below(8) {
            case 0: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
            case 1: if at < bytes.count { bytes[at] ^= 1 << UInt8(below(8)) }
            case 2: bytes.removeSubrange(at..<end)
            case 3: bytes.insert(contentsOf: bytes[at..<end], at: below(bytes.count + 1))
            case 4: bytes.removeLast(below(min(bytes.count, 200) + 1))
            case 5: if at < bytes.count { bytes[at] = UInt8(truncatingIfNeeded: random.next()) }
            default: bytes.insert(contentsOf: Self.tokens[below(Self.tokens.count)], at: at)
            }
        }
        return bytes
    }
}
