import LinuxSystem
import MeshCLI
import Testing

@Suite("Help and completion come from the command table")
struct HelpTests {
    private static let plain = Style(color: false)

    @Test("every command's help fits 80 columns", arguments: CommandTable.all.map(\.name))
    func fits(_ name: String) throws {
        let text = Help.text(for: try CommandTable.command(named: name), Self.plain)
        let long = text.split(separator: "\n").filter { $0.count > 80 }
        #expect(long.isEmpty)
    }

    @Test(
        "every command's help has an example of it and names each option once",
        arguments: CommandTable.all.map(\.name))
    func isWhole(_ name: String) throws {
        let command = try CommandTable.command(named: name)
        let text = Help.text(for: command, Self.plain)
        #expect(command.examples.contains { $0.contains("meshproof") && $0.contains(name) })
        let lines = text.split(separator: "\n")
        for option in command.options + Option.common {
            let label = "--\(option.name)" + (option.value.map { " \($0)" } ?? "") + " "
            #expect(lines.count { $0.contains(label + " ") } == 1, "\(option.name)")
        }
        let names = (command.options + Option.common).flatMap { option in
            [option.name] + (option.letter.map { ["\($0)"] } ?? [])
        }
        #expect(Set(names).count == names.count)
    }

    @Test("the overview has every command and fits 80 columns")
    func overview() {
        let text = Help.overview(CommandTable.all, Self.plain)
        for command in CommandTable.all { #expect(text.contains("  \(command.name) ")) }
        #expect(!text.split(separator: "\n").contains { $0.count > 80 })
    }

    @Test(
        "bash completes commands, options, words and nothing where a number is wanted",
        arguments: [
            (["st"], "state status"), (["--lab", "pl"], "plan"),
            (["up", "--pa"], "--parallel --passphrase-file"),
            (["-t", "plan", "up", "--win"], "--window"), (["lab", "e"], "exec"),
            (["help", "do"], "down"), (["up", "--timeout", ""], ""), (["completion", "b"], "bash"),
        ])
    func completes(_ words: [String], _ wanted: String) throws {
        let list = (["meshproof"] + words).map { "'\($0)'" }.joined(separator: " ")
        let script =
            Completion.bash(CommandTable.all)
            + "\nCOMP_WORDS=(\(list)); COMP_CWORD=\(words.count); _meshproof; echo ${COMPREPLY[*]}\n"
        let result = try Child.run(["bash", "-c", script])
        #expect(result.errorText.isEmpty)
        #expect(result.text.split(separator: " ").sorted().joined(separator: " ") == wanted)
    }
}
