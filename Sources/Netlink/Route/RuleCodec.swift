import MeshModel

/// Rules as netlink messages.
///
/// *Shape:* struct fib_rule_hdr (u8 family, destination length, source length, tos, table, two reserved, action; u32
/// flags), then FRA_* attributes. *Source:* `linux/fib_rules.h`.
enum RuleCodec {
    static let headerSize = 12
    // FRA_*
    static let destination: UInt16 = 1
    static let source: UInt16 = 2
    static let inputInterface: UInt16 = 3
    static let goto: UInt16 = 4
    static let priority: UInt16 = 6
    static let mark: UInt16 = 10
    static let suppressGroup: UInt16 = 13
    static let suppressPrefixLength: UInt16 = 14
    static let table: UInt16 = 15
    static let mask: UInt16 = 16
    static let outputInterface: UInt16 = 17
    static let users: UInt16 = 20
    static let ruleProtocol: UInt16 = 21
    static let ipProtocol: UInt16 = 22
    static let sourcePorts: UInt16 = 23
    static let destinationPorts: UInt16 = 24
    static let master: UInt16 = 19
    /// FRA_SPORT_MASK, FRA_DPORT_MASK: newer kernels tell the mask of a port that is wanted whole too.
    static let portMasks: [UInt16] = [28, 29]
    /// FRA_PAD and the places of what is no more: they say nothing.
    static let empty: [UInt16] = [5, 7, 8, 9, 18]
    /// FIB_RULE_INVERT.
    static let inverted: UInt32 = 2

    static func decode(_ message: NetlinkMessage) throws(NetlinkError) -> Rule? {
        guard message.type == RouteMessage.newRule, message.payload.count >= headerSize,
            let family = KernelFamily.family(message.uint8(at: 0))
        else { return nil }
        var rule = Rule(family: family, priority: 0, action: .nothing)
        rule.isInverted = message.uint32(at: 8) & inverted != 0
        var tableNumber = UInt32(message.uint8(at: 4))
        var target: UInt32 = 0
        let any = IPAddress(family: family, high: 0, low: 0)
        var from = any
        var to = any
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            switch reader.type {
            case destination: to = reader.address() ?? any
            case source: from = reader.address() ?? any
            case inputInterface: rule.inputInterface = reader.string()
            case outputInterface: rule.outputInterface = reader.string()
            case goto: target = reader.uint32()
            case priority: rule.priority = reader.uint32()
            case mark: rule.mark = reader.uint32()
            case mask: rule.mask = reader.uint32()
            case table: tableNumber = reader.uint32()
            // The kernel's "none" is -1 for both.
            case suppressGroup: rule.suppressGroup = present(reader.uint32())
            case suppressPrefixLength:
                rule.suppressPrefixLength = present(reader.uint32()).map(Int32.init(bitPattern:))
            case users: rule.users = range32(&reader)
            case ruleProtocol: rule.routeProtocol = reader.uint8()
            case ipProtocol: rule.ipProtocol = reader.uint8()
            case sourcePorts: rule.sourcePorts = range16(&reader)
            case destinationPorts: rule.destinationPorts = range16(&reader)
            case master: rule.isByMaster = reader.uint8() != 0
            case let other where portMasks.contains(other):
                if reader.uint16() != .max { rule.unread.append(other) }
            case let other: if !empty.contains(other) { rule.unread.append(other) }
            }
        }
        rule.typeOfService = message.uint8(at: 3)
        rule.action = action(message.uint8(at: 7), table: tableNumber, target: target)
        rule.to = try prefix(to, family, message.uint8(at: 1))
        rule.from = try prefix(from, family, message.uint8(at: 2))
        try reader.check("read rule")
        return rule
    }

    private static func present(_ value: UInt32) -> UInt32? { value == .max ? nil : value }

    private static func prefix(
        _ address: IPAddress, _ family: IPAddress.Family, _ length: UInt8
    ) throws(NetlinkError) -> IPPrefix? {
        if length == 0 { return nil }
        guard address.family == family, let prefix = IPPrefix(address, length: Int(length)) else {
            throw .malformed("read rule", "", "an address that does not fit its family")
        }
        return prefix
    }

    private static func action(_ number: UInt8, table: UInt32, target: UInt32) -> Rule.Action {
        switch number {
        case 1: .table(table)
        case 2: .jump(target)
        case 3: .nothing
        case 6: .blackhole
        case 7: .unreachable
        case 8: .prohibit
        default: .other(number)
        }
    }

    private static func range32(_ reader: inout NetlinkReader) -> ClosedRange<UInt32>? {
        let value = reader.value
        guard value.count == 8 else {
            reader.fail("a range of \(value.count) bytes")
            return nil
        }
        let first = value.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
        let last = value.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        if first > last {
            reader.fail("a range that ends before it begins")
            return nil
        }
        return first...last
    }

    private static func range16(_ reader: inout NetlinkReader) -> ClosedRange<UInt16>? {
        let value = reader.value
        guard value.count == 4 else {
            reader.fail("a range of \(value.count) bytes")
            return nil
        }
        let first = value.loadUnaligned(fromByteOffset: 0, as: UInt16.self)
        let last = value.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
        if first > last {
            reader.fail("a range that ends before it begins")
            return nil
        }
        return first...last
    }

    static func encode(_ writer: inout NetlinkWriter, _ rule: Rule) {
        writer.append(KernelFamily.of(rule.family))
        writer.append(rule.to?.length ?? 0)
        writer.append(rule.from?.length ?? 0)
        writer.append(rule.typeOfService)
        var tableNumber: UInt32 = 0
        if case .table(let number) = rule.action { tableNumber = number }
        writer.append(tableNumber < 256 ? UInt8(tableNumber) : 0)
        writer.append(UInt16(0))
        writer.append(number(rule.action))
        writer.append(rule.isInverted ? inverted : 0)
        writer.put(priority, rule.priority)
        writer.put(ruleProtocol, rule.routeProtocol)
        if tableNumber >= 256 { writer.put(table, tableNumber) }
        if case .jump(let target) = rule.action { writer.put(goto, target) }
        if let to = rule.to { writer.put(destination, to.network.address) }
        if let from = rule.from { writer.put(source, from.network.address) }
        if let name = rule.inputInterface { writer.put(inputInterface, name) }
        if let name = rule.outputInterface { writer.put(outputInterface, name) }
        if rule.isByMaster { writer.put(master, UInt8(1)) }
        if let value = rule.mark { writer.put(mark, value) }
        if let value = rule.mask { writer.put(mask, value) }
        if let value = rule.suppressGroup { writer.put(suppressGroup, value) }
        if let value = rule.suppressPrefixLength { writer.put(suppressPrefixLength, value) }
        if let value = rule.ipProtocol { writer.put(ipProtocol, value) }
        if let range = rule.users {
            let mark = writer.begin(users)
            writer.append(range.lowerBound)
            writer.append(range.upperBound)
            writer.end(mark)
        }
        put(&writer, sourcePorts, rule.sourcePorts)
        put(&writer, destinationPorts, rule.destinationPorts)
    }

    private static func put(
        _ writer: inout NetlinkWriter, _ type: UInt16, _ range: ClosedRange<UInt16>?
    ) {
        guard let range else { return }
        let mark = writer.begin(type)
        writer.append(range.lowerBound)
        writer.append(range.upperBound)
        writer.end(mark)
    }

    private static func number(_ action: Rule.Action) -> UInt8 {
        switch action {
        case .table: 1
        case .jump: 2
        case .nothing: 3
        case .blackhole: 6
        case .unreachable: 7
        case .prohibit: 8
        case .other(let number): number
        }
    }
}
