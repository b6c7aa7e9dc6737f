/// The help texts, all made from the command table.
package enum Help {
    package static func overview(_ commands: [Command], _ style: Style) -> String {
        let width = commands.map(\.name.count).max() ?? 0
        var lines = [
            "meshproof: an encrypted mesh for your AI stack, from one file.", "",
            style.bold("Usage:") + " meshproof COMMAND [OPTIONS]", "",
        ]
        for command in commands {
            let name = command.name.padding(to: width)
            lines.append("  \(style.bold(name))  \(command.summary)")
        }
        lines += [
            "", style.bold("Start here:"),
            "  meshproof init > topology.yaml     a commented first topology",
            "  meshproof check                    find mistakes in it, all at once",
            "  meshproof lab up                   rehearse it on this machine",
            "  meshproof plan && meshproof up     do it", "",
            "meshproof COMMAND --help explains a command, with examples.",
        ]
        return lines.joined(separator: "\n")
    }

    package static func text(for command: Command, _ style: Style) -> String {
        var lines = [
            "meshproof \(command.name): \(command.summary)", "",
            style.bold("Usage:")
                + " meshproof \(command.name)\(command.operands.isEmpty ? "" : " " + command.operands) [OPTIONS]",
            "",
        ]
        lines += wrapped(command.explanation)
        lines += ["", style.bold("Options:")]
        let options = command.options + Option.common
        let labels = options.map(label)
        let width = labels.map(\.count).max() ?? 0
        for (option, label) in zip(options, labels) {
            let indent = String(repeating: " ", count: width + 4)
            let help = TextWrap.lines(option.help, width: max(80 - width - 4, 20))
            lines.append("  \(label.padding(to: width))  \(help.joined(separator: "\n" + indent))")
        }
        lines += ["", style.bold(command.examples.count == 1 ? "Example:" : "Examples:")]
        lines += command.examples.map { "  \($0)" }
        return lines.joined(separator: "\n")
    }

    /// Paragraphs wrapped, and lists, whose lines begin with spaces, left as they are.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        var paragraph = ""
        func end() {
            if !paragraph.isEmpty { lines += TextWrap.lines(paragraph, width: 78) }
            paragraph = ""
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty || line.hasPrefix(" ") {
                end()
                lines.append(String(line))
            } else {
                paragraph += line + "\n"
            }
        }
        end()
        return lines
    }

    private static func label(_ option: Option) -> String {
        let letter = option.letter.map { "-\($0), " } ?? "    "
        return letter + "--\(option.name)" + (option.value.map { " \($0)" } ?? "")
    }
}
