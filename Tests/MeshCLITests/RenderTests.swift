import LinuxSystem
import MeshCLI
import Testing

@Suite("What is printed is easy to read")
struct RenderTests {
    @Test(
        "text wraps at spaces",
        arguments: [
            ("one two three", 7, ["one two", "three"]), ("one two", 80, ["one two"]),
            ("", 10, [""]), ("overlong", 3, ["overlong"]), ("a\nb", 10, ["a b"]),
            ("\u{1b}[31mone\u{1b}[0m two", 7, ["\u{1b}[31mone\u{1b}[0m two"]),
        ])
    func wraps(_ text: String, _ width: Int, _ lines: [String]) {
        #expect(TextWrap.lines(text, width: width) == lines)
    }

    @Test(
        "text is cut with an ellipsis, and never has a second line",
        arguments: [
            ("short", 5, "short"), ("longer", 5, "long…"), ("x", 0, "…"), ("ab", -3, "…"),
            ("a\nb", 9, "a b"),
        ])
    func clips(_ text: String, _ width: Int, _ wanted: String) {
        #expect(TextWrap.clip(text, width: width) == wanted)
    }

    @Test(
        "bytes have a unit",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"),
            (UInt64.max, "16777216.0 TiB"),
        ] as [(UInt64, String)])
    func bytes(_ count: UInt64, _ text: String) { #expect(Human.bytes(count) == text) }

    @Test(
        "ages have a unit, and none is too odd to be shown",
        arguments: [
            (0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d"),
            (-5, "0 s"), (-1e300, "0 s"), (1e300, "1000000000000 d"), (.nan, "0 d"),
        ] as [(Double, String)])
    func ages(_ seconds: Double, _ text: String) { #expect(Human.age(seconds) == text) }

    @Test(
        "nouns agree with their number", arguments: [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
    func counts(_ number: Int, _ text: String) { #expect(Human.count(number, "step") == text) }

    @Test("a table's columns line up, colours or not")
    func linesUp() {
        var table = Table(["NODE", "STATE", "NOTE"], Style(color: false))
        table.add(["gpu", Style(color: true).green("up"), "x"])
        table.add(["database", "down", "y"])
        let lines = table.lines(width: 80)
        #expect(lines[0] == "  NODE      STATE  NOTE")
        #expect(lines[1] == "  gpu       \u{1b}[32mup\u{1b}[0m     x")
        #expect(lines[2] == "  database  down   y")
    }

    @Test("a table's last column goes on below itself")
    func goesOnBelow() {
        var table = Table(["A", "B"], Style(color: false))
        table.add(["x", "one two three four five six seven"])
        #expect(
            table.lines(width: 25) == [
                "  A  B", "  x  one two three four", "     five six seven",
            ])
    }

    /// What `body` prints to something that is no terminal.
    private func printed(_ body: (Output) -> Void) throws -> String {
        let path = "/tmp/meshcli-test-\(UInt64.random(in: .min ... .max))"
        defer { try? Files.removeTree(path) }
        let file = try OpenFile(path)
        body(Output(file.number, noColor: false))
        return String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
    }

    @Test("without a terminal each node gets one whole line when it is through, and no escapes")
    func progressInALog() throws {
        let long = String(repeating: "long ", count: 40) + "end"
        let text = try printed { output in
            let view = ProgressView(output, quiet: false)
            view.working("db", "connecting")
            view.working("gpu", "connecting")
            view.finished("gpu", "unchanged", good: true)
            view.note("look here")
            view.finished("db", long, good: false)
            view.end()
        }
        #expect(text == "  ✓ gpu  unchanged\n  ! look here\n  ✗ db  \(long)\n")
    }

    @Test("a quiet view prints nothing")
    func quiet() throws {
        let text = try printed { output in
            let view = ProgressView(output, quiet: true)
            view.finished("gpu", "unchanged", good: true)
            view.note("look here")
        }
        #expect(text.isEmpty)
    }

    @Test("a message in a log stays on its line")
    func hangsInALog() throws {
        let long = String(repeating: "word ", count: 30) + "end"
        #expect(try printed { $0.hang("error: ", long) } == "error: \(long)\n")
    }

    @Test("a pipe whose reader has gone is noticed")
    func readerGone() throws {
        let pipe = try IO.pipe()
        let (reader, writer) = pipe.split()
        let writing = Descriptor(owning: writer)
        let output = Output(writing.number, noColor: true)
        #expect(output.hasReader)
        _ = Descriptor(owning: reader)
        #expect(!output.hasReader)
    }
}
