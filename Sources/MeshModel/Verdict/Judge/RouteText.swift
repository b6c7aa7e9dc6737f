/// A route or a rule as text, as far as it has to be understood. What is not understood counts as touching the edge.
struct RouteText {
    private let words: [Substring]

    init(_ text: String) {
        words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
    }

    /// Whether a route covers one of these addresses.
    func covers(_ addresses: [IPAddress]) -> Bool {
        for (place, word) in words.prefix(3).enumerated() {
            if word == "default" {
                let isIPv6 = words.dropFirst(place + 1).first == "(IPv6)"
                return addresses.contains { $0.family == (isIPv6 ? .ipv6 : .ipv4) }
            }
            if let prefix = Self.prefix(word) {
                return addresses.contains { prefix.contains($0) }
            }
        }
        return true
    }

    /// The routing table that a route is in, `main` where it does not say.
    var table: Substring { word(after: "table") ?? "main" }
    /// The table that a rule looks into, or nil.
    var lookup: Substring? { word(after: "lookup") }
    /// Whether a rule is for marked packets alone.
    var isByMark: Bool { words.contains("fwmark") && !words.contains("not") }

    private func word(after word: Substring) -> Substring? {
        guard let place = words.firstIndex(of: word), place + 1 < words.count else { return nil }
        return words[place + 1]
    }

    /// A table as `ip` calls it. *Source:* `linux/rtnetlink.h`, RT_TABLE_*.
    static func table(_ number: UInt32) -> String {
        switch number {
        case 253: "default"
        case 254: "main"
        case 255: "local"
        default: "\(number)"
        }
    }

    /// The command that takes a route out, and where it is in a table of its own a reminder of the rule that leads there.
    func removal(on node: String) -> String {
        let delete = "ip route del \(words.joined(separator: " "))   # on \(node)"
        guard let place = words.firstIndex(of: "table"), place + 1 < words.count,
            !["main", "local", "default"].contains(words[place + 1])
        else { return delete }
        return delete + ", and the rule that leads to table \(words[place + 1]): ip rule"
    }

    /// Whether a rule may catch packets of the edge that the kernel's answers do not speak of.
    ///
    /// Answers are asked for with addresses, protocol, service's port and user, for an unmarked packet from any client
    /// port; rules by these are in them.
    func isUnforeseen(
        targets: [IPAddress], sources: [IPAddress], marks: Bool, isRouter: Bool
    ) -> Bool {
        if let to = prefix(after: "to"), !targets.contains(where: { to.contains($0) }) {
            return false
        }
        if let from = prefix(after: "from"), !sources.contains(where: { from.contains($0) }) {
            return false
        }
        if words.contains("fwmark") { return marks }
        // Answers are for what begins on the node, not for what it passes on.
        if isRouter && words.contains("iif") { return true }
        let selectors: Set<Substring> = [
            "sport", "tos", "dsfield", "dscp", "flowlabel", "tun_id", "[also",
        ]
        return words.contains(where: selectors.contains)
    }

    private func prefix(after word: Substring) -> IPPrefix? {
        guard let place = words.firstIndex(of: word), place + 1 < words.count,
            place == 0 || words[place - 1] != "not"
        else { return nil }
        return Self.prefix(words[place + 1])
    }

    private static func prefix(_ word: Substring) -> IPPrefix? {
        IPPrefix(String(word)) ?? IPAddress(String(word)).map { IPPrefix(host: $0) }
    }
}
