import MeshModel

/// What one nftables rule could do to packets, and to which. *Source:* libnftables-json(5).
struct RuleReader {
    private let rule: JSONValue
    private let parts: [(name: String, value: JSONValue)]

    init(_ rule: JSONValue) {
        self.rule = rule
        parts = (rule["expr"]?.elements ?? []).flatMap { part in
            (part.members ?? [:]).map { (name: $0.key, value: $0.value) }
        }
    }

    /// `ip nat prerouting`.
    var place: String {
        ["family", "table", "chain"].map { rule[$0]?.text ?? "" }.joined(separator: " ")
    }

    var handle: Int { rule["handle"]?.number ?? 0 }

    /// The rule as JSON, where nft's own words for it are not at hand.
    var text: String {
        JSONText.commands(rule["expr"]?.elements ?? []).split(separator: "\n").dropFirst()
            .dropLast().joined(separator: " ")
    }

    /// Everything that it does with packets besides letting them pass or not.
    var kinds: Set<RewritingRule.Kind> { Set(parts.compactMap { kind($0.name, $0.value) }) }

    /// What only looks, counts or judges. What is not known here could do anything, and is told.
    private static let harmless: Set<String> = [
        "match", "counter", "accept", "drop", "continue", "return", "jump", "goto", "limit", "log",
        "reject", "quota", "notrack", "comment", "ct helper", "ct timeout", "ct expectation",
        "ct count", "set", "map", "vmap", "last", "meter", "flow", "reset", "secmark",
    ]

    private func kind(_ name: String, _ value: JSONValue) -> RewritingRule.Kind? {
        if Self.harmless.contains(name) { return nil }
        switch name {
        case "dnat": return .dnat
        case "snat", "masquerade": return .snat
        case "redirect": return .redirect
        case "dup", "fwd": return .duplicate
        case "mangle": return mangling(value["key"])
        case "xt":
            if value["type"]?.text == "match" || value["type"]?.text == "watcher" { return nil }
            return LegacyTarget.kind(value["name"]?.text ?? "")
        default: return .divert
        }
    }

    /// What it means that a rule sets something of a packet.
    private func mangling(_ key: JSONValue?) -> RewritingRule.Kind? {
        if let meta = key?["meta"]?["key"]?.text {
            // Marks may be routed by; the others are the kernel's own notes.
            return meta == "mark" ? .mark : nil
        }
        if let tracked = key?["ct"]?["key"]?.text {
            return ["mark", "zone"].contains(tracked) ? .mark : nil
        }
        if key?["tcp option"] != nil { return nil }
        switch key?["payload"]?["field"]?.text {
        // Addresses and ports that are written over are translated, without a memory of it.
        case "daddr", "dport":
            return key?["payload"]?["protocol"]?.text == "ether" ? .divert : .dnat
        case "saddr", "sport":
            return key?["payload"]?["protocol"]?.text == "ether" ? .divert : .snat
        // Rules may route by the type of service.
        case "dscp", "ecn", "tos": return .mark
        case "ttl", "hoplimit": return nil
        default: return .divert
        }
    }

    // MARK: What it is limited to

    /// More ports than this are as good as any.
    private static let portLimit = 1_024

    /// TCP or UDP ports, or nil for any.
    var ports: [UInt16]? {
        var limit: Set<UInt16>?
        for (name, value) in parts where name == "match" {
            let field = value["left"]?["payload"]
            guard Self.isEqual(value), field?["field"]?.text == "dport",
                let ports = value["right"].flatMap(Self.ports)
            else { continue }
            limit = limit?.intersection(ports) ?? ports
        }
        return limit?.sorted()
    }

    /// Destinations, or nil for any.
    var destinations: [IPPrefix]? {
        for (name, value) in parts where name == "match" {
            let field = value["left"]?["payload"]
            guard Self.isEqual(value), field?["field"]?.text == "daddr",
                ["ip", "ip6"].contains(field?["protocol"]?.text),
                let found = value["right"].flatMap(Self.prefixes)
            else { continue }
            return found
        }
        return nil
    }

    private static func isEqual(_ match: JSONValue) -> Bool {
        match["op"]?.text == "==" || match["op"]?.text == "in"
    }

    private static func ports(_ value: JSONValue) -> Set<UInt16>? {
        if let number = value.number.flatMap({ UInt16(exactly: $0) }) { return [number] }
        if let range = value["range"]?.elements?.compactMap({ $0.number }), range.count == 2,
            let first = UInt16(exactly: range[0]), let last = UInt16(exactly: range[1]),
            first <= last, last - first < portLimit
        {
            return Set(first...last)
        }
        return all(value["set"]) { ports($0) }.map { Set($0.joined()) }
    }

    private static func prefixes(_ value: JSONValue) -> [IPPrefix]? {
        if let text = value.text {
            return IPAddress(text).flatMap { IPPrefix($0, length: $0.family.bits) }.map { [$0] }
        }
        if let prefix = value["prefix"], let text = prefix["addr"]?.text,
            let length = prefix["len"]?.number
        {
            return IPAddress(text).flatMap { IPPrefix($0, length: length) }.map { [$0] }
        }
        return all(value["set"]) { prefixes($0) }.map { Array($0.joined()) }
    }

    /// Each element's value, or nil where one of them cannot be told: half a limit is none.
    private static func all<Value>(
        _ set: JSONValue?, _ read: (JSONValue) -> Value?
    ) -> [Value]? {
        guard let elements = set?.elements else { return nil }
        let found = elements.compactMap(read)
        return found.count == elements.count ? found : nil
    }
}
