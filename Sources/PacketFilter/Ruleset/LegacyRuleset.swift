public import MeshModel

/// Rules of the older iptables, which nftables does not list, as `iptables-legacy-save` prints them.
public enum LegacyRuleset {
    /// The rules that rewrite, mark, copy or divert packets.
    ///
    /// - Parameter family: `ip` or `ip6`.
    public static func rules(in text: String, family: String) -> [RewritingRule] {
        var table = ""
        var chains: Set<Substring> = []
        var found: [RewritingRule] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("*") {
                table = String(line.dropFirst())
                chains = []
            } else if line.hasPrefix(":"), let name = words.first?.dropFirst() {
                chains.insert(name)
            } else if words.count > 2, words[0] == "-A",
                let target = value(words, ["-j", "-g"]), !chains.contains(target),
                let kind = LegacyTarget.kind(String(target))
            {
                found.append(
                    RewritingRule(
                        kind: kind, place: "\(family) \(table) \(words[1])",
                        text: words.dropFirst(2).joined(separator: " "), ports: ports(words),
                        destinations: destination(words)))
            }
        }
        return found
    }

    /// What follows one of `options`; nil where it is not there.
    private static func value(_ words: [Substring], _ options: [Substring]) -> Substring? {
        guard let at = words.firstIndex(where: options.contains), at + 1 < words.count else {
            return nil
        }
        return words[at + 1]
    }

    /// Whether an option is inverted by a `!` before it.
    private static func isInverted(_ words: [Substring], _ options: [Substring]) -> Bool {
        guard let at = words.firstIndex(where: options.contains), at > 0 else { return false }
        return words[at - 1] == "!"
    }

    private static func ports(_ words: [Substring]) -> [UInt16]? {
        let options: [Substring] = ["--dport", "--dports"]
        guard !isInverted(words, options), let text = value(words, options) else { return nil }
        let parts = text.split(separator: ",").map { UInt16($0) }
        let numbers = parts.compactMap { $0 }
        return numbers.count == parts.count ? numbers : nil
    }

    private static func destination(_ words: [Substring]) -> [IPPrefix]? {
        guard !isInverted(words, ["-d"]), let text = value(words, ["-d"]) else { return nil }
        return IPPrefix(String(text)).map { [$0] }
    }
}
