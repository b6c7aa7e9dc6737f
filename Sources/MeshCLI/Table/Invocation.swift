import MeshModel

/// A parsed command line.
package struct Invocation: Sendable {
    /// Values by option name; options without a value have an empty one.
    package var values: [String: String] = [:]
    /// Every value of each option, in the order given; ``values`` has the last.
    package var lists: [String: [String]] = [:]
    package var operands: [String] = []

    package func has(_ name: String) -> Bool { values[name] != nil }

    /// The number given for an option, or `standard`.
    package func seconds(_ name: String, _ standard: Double, in range: ClosedRange<Double>) throws
        -> Double
    {
        guard let text = values[name] else { return standard }
        guard let number = Double(text), range.contains(number) else {
            throw CommandFailure(
                "--\(name) \(text): want a number of seconds from \(Int(range.lowerBound)) to \(Int(range.upperBound))",
                code: ExitCode.usage)
        }
        return number
    }

    /// The whole number given for an option, or `standard`.
    package func count(_ name: String, _ standard: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = values[name] else { return standard }
        guard let number = Int(text), range.contains(number) else {
            throw CommandFailure(
                "--\(name) \(text): want a whole number from \(range.lowerBound) to \(range.upperBound)",
                code: ExitCode.usage)
        }
        return number
    }

    /// Parses what follows the command's name.
    package static func parse(_ arguments: [String], for command: Command) throws -> Invocation {
        let options = command.options + Option.common
        var invocation = Invocation()
        var index = 0
        var onlyOperands = false
        while index < arguments.count {
            let argument = arguments[index]
            index += 1
            if onlyOperands || argument == "-" || !argument.hasPrefix("-") {
                invocation.operands.append(argument)
                let operands = invocation.operands
                if operands.count == 2 && operands[0] == command.passesThrough {
                    onlyOperands = true
                }
                continue
            }
            if argument == "--" {
                onlyOperands = true
                continue
            }
            let (name, attached) = split(argument)
            guard let option = options.first(where: { $0.isNamed(by: name) }) else {
                throw unknown(argument, options, command)
            }
            if option.value == nil {
                if attached != nil {
                    throw CommandFailure("--\(option.name) takes no value", code: ExitCode.usage)
                }
                invocation.values[option.name] = ""
                continue
            }
            guard let value = attached ?? (index < arguments.count ? arguments[index] : nil) else {
                throw CommandFailure(
                    "--\(option.name) wants a value: \(option.value ?? "")",
                    fix: "meshproof \(command.name) --help", code: ExitCode.usage)
            }
            if attached == nil { index += 1 }
            invocation.values[option.name] = value
            invocation.lists[option.name, default: []].append(value)
        }
        if !invocation.has("help") && !command.operandCount.contains(invocation.operands.count) {
            throw CommandFailure(
                "usage: meshproof \(command.name) \(command.operands)",
                fix: "meshproof \(command.name) --help", code: ExitCode.usage)
        }
        return invocation
    }

    private static func split(_ argument: String) -> (String, String?) {
        guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else {
            return (argument, nil)
        }
        return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
    }

    private static func unknown(
        _ argument: String, _ options: [Option], _ command: Command
    ) -> CommandFailure {
        let near = NearestName.find(
            String(argument.drop { $0 == "-" }), among: options.map(\.name))
        return CommandFailure(
            "meshproof \(command.name) has no option \(argument)",
            fix: near.map { "did you mean --\($0)?" } ?? "meshproof \(command.name) --help",
            code: ExitCode.usage)
    }
}
