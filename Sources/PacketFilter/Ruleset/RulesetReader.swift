public import MeshModel

/// Every nftables rule of this network namespace that could take a packet elsewhere.
public struct RulesetReading: Sendable, Equatable {
    /// The whole ruleset without handles and counters, always spelled alike: what a digest is made of.
    public var canonical: [UInt8]
    /// The rules that rewrite, mark, copy or divert packets, in the ruleset's order.
    public var rules: [RewritingRule]
}

/// Reads the nftables of this network namespace. It changes nothing.
///
/// *Privilege:* CAP_NET_ADMIN.
public enum RulesetReader {
    /// What there is now. *Throws:* any code.
    public static func read() throws(PacketFilterError) -> RulesetReading {
        let library = try NFTLibrary()
        let answer = try library.run("list ruleset", "list the ruleset")
        let text = try library.run("list ruleset", "list the ruleset", asText: true)
        guard let reading = parse(json: answer, text: text) else {
            throw PacketFilterError(
                .unreadable, "list the ruleset",
                "libnftables answered with something that is no JSON",
                hint: "install Debian's nftables, which is built with JSON")
        }
        return reading
    }

    /// Makes a reading of what libnftables prints; nil where the first is no JSON.
    ///
    /// - Parameter text: the same ruleset in nft's own language, with handles. A rule that is not in it, because it was made
    ///   between the two, is told as JSON.
    package static func parse(json: String, text: String) -> RulesetReading? {
        // An empty ruleset is printed as nothing by some versions.
        let objects = json.isEmpty ? [] : JSONText.objects(in: json)
        guard let objects else { return nil }
        let lines = RulesetText(text)
        var rules: [RewritingRule] = []
        for object in objects {
            guard let rule = object["rule"] else { continue }
            let reader = RuleReader(rule)
            for kind in reader.kinds.sorted(by: { $0.rawValue < $1.rawValue }) {
                rules.append(
                    RewritingRule(
                        kind: kind, place: reader.place,
                        text: lines.rule(at: reader.place, handle: reader.handle) ?? reader.text,
                        ports: reader.ports, destinations: reader.destinations))
            }
        }
        let stable = objects.filter { $0["metainfo"] == nil }.map(stable)
        return RulesetReading(canonical: Array(JSONText.commands(stable).utf8), rules: rules)
    }

    /// What changes by itself, or by being written again.
    private static let fleeting: Set<String> = ["handle", "packets", "bytes", "used", "expires"]

    private static func stable(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let elements): .array(elements.map(stable))
        case .object(let members):
            .object(members.filter { !fleeting.contains($0.key) }.mapValues(stable))
        default: value
        }
    }
}

/// Rules in nft's own language, by where they stand and their handle.
private struct RulesetText {
    private var rules: [String: String] = [:]

    init(_ text: String) {
        var family = ""
        var table = ""
        var chain = ""
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" }
            guard let mark = line.ranges(of: "# handle ").last else { continue }
            if words.count > 3, words[0] == "table" {
                family = String(words[1])
                table = String(words[2])
            } else if words.count > 2, words[0] == "chain", words[2] == "{" {
                chain = String(words[1])
            } else {
                let rule = line[..<mark.lowerBound].drop { $0 == " " || $0 == "\t" }
                let number = line[mark.upperBound...].prefix { $0.isNumber }
                let text = rule.reversed().drop { $0 == " " }.reversed()
                rules["\(family) \(table) \(chain) \(number)"] = String(text)
            }
        }
    }

    func rule(at place: String, handle: Int) -> String? { rules["\(place) \(handle)"] }
}
