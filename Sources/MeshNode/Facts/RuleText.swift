import MeshModel
import Netlink

/// Rules and routes as `ip rule` and `ip route` write them.
enum RuleText {
    /// `50: from all ipproto tcp dport 8080 lookup 100`.
    static func rule(_ rule: Rule) -> String {
        var words = ["\(rule.priority):"]
        if rule.isInverted { words.append("not") }
        words += ["from", rule.from.map(prefix) ?? "all"]
        if let to = rule.to { words += ["to", prefix(to)] }
        if rule.typeOfService != 0 { words += ["tos", hex(UInt32(rule.typeOfService))] }
        if let mark = rule.mark ?? (rule.mask == nil ? nil : 0), mark != 0 || rule.mask != 0 {
            let mask = rule.mask.map { $0 == .max ? "" : "/\(hex($0))" } ?? ""
            words += ["fwmark", hex(mark) + mask]
        }
        if let name = rule.inputInterface { words += ["iif", name] }
        if let name = rule.outputInterface { words += ["oif", name] }
        if let users = rule.users { words += ["uidrange", range(users, "-", always: true)] }
        if let number = rule.ipProtocol { words += ["ipproto", protocolName(number)] }
        if let ports = rule.sourcePorts { words += ["sport", range(ports, "-")] }
        if let ports = rule.destinationPorts { words += ["dport", range(ports, "-")] }
        if !rule.unread.isEmpty {
            words.append(
                "[also by attribute \(rule.unread.map(String.init).joined(separator: ", "))]")
        }
        words += action(rule)
        if let length = rule.suppressPrefixLength {
            words += ["suppress_prefixlength", "\(length)"]
        }
        if let group = rule.suppressGroup { words += ["suppress_ifgroup", "\(group)"] }
        if rule.family == .ipv6 { words.append("(IPv6)") }
        return words.joined(separator: " ")
    }

    /// `10.77.0.2 via 192.0.2.2 dev eth0 table 100`.
    static func route(_ route: Route, names: [Int32: String]) -> String {
        var words: [String] = []
        switch route.kind {
        case .unicast: break
        case .local: words.append("local")
        case .blackhole: words.append("blackhole")
        case .unreachable: words.append("unreachable")
        case .prohibit: words.append("prohibit")
        case .passOn: words.append("throw")
        case .other(let number): words.append("type \(number)")
        }
        let isAll = route.destination.length == 0
        words.append(isAll ? "default" : prefix(route.destination))
        if isAll, route.destination.address.family == .ipv6 { words.append("(IPv6)") }
        words += hop(route.gateway, route.interfaceIndex, names)
        for next in route.nexthops {
            words += ["nexthop"] + hop(next.gateway, next.interfaceIndex, names)
        }
        if route.metric != 0 { words += ["metric", "\(route.metric)"] }
        return (words + ["table", table(route.table)]).joined(separator: " ")
    }

    private static func hop(
        _ gateway: IPAddress?, _ index: Int32?, _ names: [Int32: String]
    ) -> [String] {
        let via = gateway.map { ["via", "\($0)"] } ?? []
        return via + (index.map { ["dev", names[$0] ?? "link \($0)"] } ?? [])
    }

    private static func action(_ rule: Rule) -> [String] {
        if rule.isByMaster { return ["lookup", "[l3mdev-table]"] }
        switch rule.action {
        case .table(let number): return ["lookup", table(number)]
        case .jump(let priority): return ["goto", "\(priority)"]
        case .nothing: return ["nop"]
        case .blackhole: return ["blackhole"]
        case .unreachable: return ["unreachable"]
        case .prohibit: return ["prohibit"]
        case .other(let number): return ["action", "\(number)"]
        }
    }

    /// *Source:* `linux/rtnetlink.h`, RT_TABLE_*.
    static func table(_ number: UInt32) -> String {
        switch number {
        case 253: "default"
        case 254: "main"
        case 255: "local"
        default: "\(number)"
        }
    }

    private static func prefix(_ prefix: IPPrefix) -> String {
        prefix.isHost ? "\(prefix.address)" : "\(prefix.network)"
    }

    private static func protocolName(_ number: UInt8) -> String {
        switch number {
        case 1: "icmp"
        case 6: "tcp"
        case 17: "udp"
        case 58: "ipv6-icmp"
        default: "\(number)"
        }
    }

    private static func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }

    private static func range<Value>(
        _ range: ClosedRange<Value>, _ dash: String, always: Bool = false
    ) -> String {
        range.lowerBound == range.upperBound && !always
            ? "\(range.lowerBound)" : "\(range.lowerBound)\(dash)\(range.upperBound)"
    }
}
