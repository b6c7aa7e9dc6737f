import MeshModel

/// What a table holds, in a form in which what is wanted and what the kernel lists can be compared.
///
/// Handles and the counts of counters are left out, and the order of a set's elements does not count.
struct GuardListing: Equatable {
    private var tableMembers: [String: JSONValue] = [:]
    /// By kind and name: `set edges4`.
    private var objects: [String: JSONValue] = [:]
    private var elements: [String: [JSONValue]] = [:]
    private var rules: [String: [Rule]] = [:]
    /// What the counters say.
    private(set) var drops: [GuardDrop] = []

    private struct Rule: Hashable {
        let comment: String?
        let statements: JSONValue?
    }

    /// Takes a list of objects as libnftables prints and takes them; what belongs to another table is left out.
    init(_ list: [JSONValue], table name: String) {
        for entry in list {
            guard let (kind, body) = entry.members?.first, var members = body.members else {
                continue
            }
            members["handle"] = nil
            if kind == "table" {
                if members["name"]?.text == name { tableMembers = members }
                continue
            }
            guard members["table"]?.text == name else { continue }
            take(kind, members)
        }
        drops.sort { $0.reason.position < $1.reason.position }
    }

    private mutating func take(_ kind: String, _ members: [String: JSONValue]) {
        var members = members
        if kind == "rule" {
            rules[members["chain"]?.text ?? "", default: []].append(
                Rule(comment: members["comment"]?.text, statements: members["expr"]))
            return
        }
        let name = members["name"]?.text ?? ""
        if kind == "counter" {
            if let reason = GuardDrop.Reason(rawValue: name) {
                drops.append(
                    GuardDrop(
                        reason, packets: UInt64(clamping: members["packets"]?.number ?? 0),
                        bytes: UInt64(clamping: members["bytes"]?.number ?? 0)))
            }
            members["packets"] = nil
            members["bytes"] = nil
        }
        let key = "\(kind) \(name)"
        if let list = members["elem"]?.elements { elements[key] = list.sorted() }
        members["elem"] = nil
        objects[key] = .object(members)
    }

    /// What differs from what is wanted, a line each.
    func differences(from wanted: GuardListing) -> [String] {
        var lines: [String] = []
        if tableMembers != wanted.tableMembers {
            lines.append("the table itself was changed")
        }
        for key in wanted.objects.keys.sorted() {
            guard let found = objects[key] else {
                lines.append("\(key) is missing")
                continue
            }
            if found != wanted.objects[key] { lines.append("\(key) was changed") }
        }
        for key in objects.keys.sorted() where wanted.objects[key] == nil {
            lines.append("\(key) does not belong there")
        }
        for key in Set(elements.keys).union(wanted.elements.keys).sorted() {
            let found = Set(elements[key] ?? [])
            let want = Set(wanted.elements[key] ?? [])
            lines += want.subtracting(found).sorted().map { "\(key) lacks \(Self.text($0))" }
            lines += found.subtracting(want).sorted().map {
                "\(key) has \(Self.text($0)), which is not wanted"
            }
        }
        for chain in Set(rules.keys).union(wanted.rules.keys).sorted() {
            lines += Self.contrast(chain, rules[chain] ?? [], wanted.rules[chain] ?? [])
        }
        return lines
    }

    private static func contrast(_ chain: String, _ found: [Rule], _ want: [Rule]) -> [String] {
        if found == want { return [] }
        var lines: [String] = []
        for change in found.difference(from: want) {
            switch change {
            case .remove(_, let rule, _):
                lines.append("chain \(chain) lacks the rule for \(rule.comment ?? "something")")
            case .insert(_, let rule, _):
                lines.append(
                    "chain \(chain) has a rule that is not wanted"
                        + (rule.comment.map { " (\($0))" } ?? ""))
            }
        }
        return lines
    }

    /// `10.77.0.1 . 10.77.0.2 . 8080`, as nft prints it.
    private static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .number(let number): "\(number)"
        case .array(let list): list.map(text).joined(separator: " . ")
        case .object(let members): members["concat"].map(text) ?? "something else"
        default: "something else"
        }
    }
}

extension GuardDrop.Reason {
    fileprivate var position: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
