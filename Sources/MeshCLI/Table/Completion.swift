/// Shell completions, made from the command table.
package enum Completion {
    /// A bash script that completes commands, their options, and files where an option wants one.
    ///
    /// *Source:* bash(1), "Programmable Completion".
    package static func bash(_ commands: [Command]) -> String {
        let names = commands.map(\.name) + ["help"]
        let options = commands.flatMap(\.options) + Option.common
        let valued = options.filter { $0.value != nil }
        let words = { (wanted: [Option]) in Self.words(wanted) }
        let files = words(valued.filter { $0.value == "FILE" }).joined(separator: "|")
        let folders = words(valued.filter { $0.value == "DIR" }).joined(separator: "|")
        let others = words(valued.filter { $0.value != "FILE" && $0.value != "DIR" })
        var cases: [String] = []
        for command in commands {
            let offered = words(command.options + Option.common) + command.words
            cases.append("        \(command.name)) words='\(offered.joined(separator: " "))' ;;")
        }
        return """
            # bash completion for meshproof; load it with: source <(meshproof completion bash)
            _meshproof() {
                local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= words i=1
                COMPREPLY=()
                case $before in
                    \(files)) COMPREPLY=($(compgen -f -- "$word")); return ;;
                    \(folders)) COMPREPLY=($(compgen -d -- "$word")); return ;;
                    \(others.joined(separator: "|"))) return ;;
                esac
                while [ $i -lt $COMP_CWORD ]; do
                    case ${COMP_WORDS[i]} in
                        \(words(valued).joined(separator: "|"))) i=$((i+1)) ;;
                        -*) ;;
                        *) command=${COMP_WORDS[i]}; break ;;
                    esac
                    i=$((i+1))
                done
                case $command in
            \(cases.joined(separator: "\n"))
                    help) words='\(names.joined(separator: " "))' ;;
                    *) words='\((names + words(Option.common)).joined(separator: " ")) --version' ;;
                esac
                COMPREPLY=($(compgen -W "$words" -- "$word"))
            }
            complete -F _meshproof meshproof
            """
    }

    /// The options as they are typed, each once.
    private static func words(_ options: [Option]) -> [String] {
        var seen: Set<String> = []
        return options.flatMap { option in
            [option.letter.map { "-\($0)" }, "--\(option.name)"].compactMap { $0 }
        }.filter { seen.insert($0).inserted }
    }
}

extension Command {
    /// The fixed words among the operands, for instance `up|down` in `up|down|exec NODE`.
    fileprivate var words: [String] {
        (operands.split(separator: " ").first ?? "").split(separator: "|").map(String.init)
            .filter { $0.allSatisfy { $0.isLowercase } }
    }
}
