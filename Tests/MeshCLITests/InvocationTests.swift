import MeshCLI
import Testing

@Suite("The command line is read by the command table")
struct InvocationTests {
    private func parse(_ name: String, _ arguments: [String]) throws -> Invocation {
        try Invocation.parse(arguments, for: try CommandTable.command(named: name))
    }

    private func failure(_ body: () throws -> Void) -> CommandFailure? {
        do { try body() } catch { return error as? CommandFailure }
        return nil
    }

    @Test(
        "a value may follow its option or be attached to it",
        arguments: [["--topology", "x.yaml"], ["--topology=x.yaml"], ["-t", "x.yaml"]])
    func readsValues(_ arguments: [String]) throws {
        #expect(try parse("plan", arguments).values["topology"] == "x.yaml")
    }

    @Test("an attached value may be empty or hold another equals sign")
    func keepsOddValues() throws {
        #expect(try parse("plan", ["--state=a=b"]).values["state"] == "a=b")
        #expect(try parse("plan", ["--state="]).values["state"] == "")
    }

    @Test("after two dashes everything is an operand")
    func stopsAtTwoDashes() throws {
        let invocation = try parse("init", ["--write", "--", "--json"])
        #expect(invocation.operands == ["--json"])
        #expect(invocation.has("write") && !invocation.has("json"))
    }

    @Test("what lab exec runs keeps its own options")
    func passesThrough() throws {
        let invocation = try parse("lab", ["exec", "--json", "gpu", "wg", "--help", "-q", "--x=1"])
        #expect(invocation.operands == ["exec", "gpu", "wg", "--help", "-q", "--x=1"])
        #expect(invocation.has("json") && !invocation.has("help") && !invocation.has("quiet"))
    }

    @Test(
        "the command is found among options before it",
        arguments: [
            (["up"], 0), (["--lab", "up"], 1), (["-t", "up", "plan"], 2),
            (["--topology=up", "plan"], 1), (["--timeout", "5", "up"], 2),
            (["--window", "60", "--lab", "up", "--json"], 3), (["--lab"], nil), ([], nil),
        ] as [([String], Int?)])
    func findsTheCommand(_ arguments: [String], _ position: Int?) {
        #expect(CommandTable.position(in: arguments) == position)
    }

    @Test(
        "a wrong call ends with 64 and a way on",
        arguments: [
            ("up", ["--timeuot", "5"], "did you mean --timeout?"),
            ("up", ["--xyzzy"], "meshproof up --help"), ("plan", ["-x"], "meshproof plan --help"),
            ("up", ["--window"], "meshproof up --help"), ("up", ["gpu"], "meshproof up --help"),
            ("lab", [], "meshproof lab --help"),
        ])
    func refuses(_ name: String, _ arguments: [String], _ fix: String) throws {
        let failure = try #require(failure { _ = try parse(name, arguments) })
        #expect(failure.code == ExitCode.usage)
        #expect(failure.fix == fix)
    }

    @Test("an option without a value takes none")
    func refusesAValue() throws {
        #expect(failure { _ = try parse("plan", ["--json=1"]) }?.code == ExitCode.usage)
    }

    @Test(
        "a misspelt command is guessed",
        arguments: [
            ("pln", "did you mean plan?"), ("statsu", "did you mean status?"),
            ("hlep", "did you mean help?"), ("zzzzzz", "meshproof --help"),
        ])
    func guessesCommands(_ name: String, _ fix: String) throws {
        let failure = try #require(failure { _ = try CommandTable.command(named: name) })
        #expect(failure.fix == fix && failure.code == ExitCode.usage)
    }

    @Test("numbers are held to their range", arguments: ["0", "-1", "nan", "1e9", "five", ""])
    func refusesNumbers(_ text: String) throws {
        let invocation = try parse("up", ["--timeout=\(text)", "--parallel=\(text)"])
        let seconds = try #require(
            failure { _ = try invocation.seconds("timeout", 20, in: 1...3600) })
        #expect(seconds.code == ExitCode.usage)
        #expect(seconds.message.contains("from 1 to 3600"))
        #expect(failure { _ = try invocation.count("parallel", 32, in: 1...1024) } != nil)
    }

    @Test("an option that is given more than once keeps every value")
    func repeats() throws {
        let invocation = try parse("down", ["--node", "gpu", "--yes", "--node=db"])
        #expect(invocation.lists["node"] == ["gpu", "db"])
        #expect(invocation.values["node"] == "db")
    }

    @Test("numbers in range are taken, and missing ones have a standard")
    func takesNumbers() throws {
        let invocation = try parse("up", ["--timeout", "2.5"])
        #expect(try invocation.seconds("timeout", 20, in: 1...3600) == 2.5)
        #expect(try invocation.count("parallel", 32, in: 1...1024) == 32)
    }
}
