import MeshModel
import Netlink
import TestSupport
import Testing

@Suite("What is told to the kernel comes back the same")
struct RoundTripTests {
    @Test("routes of every shape", arguments: 1...40)
    func routes(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        let kernel = MemoryKernel()
        let socket = kernel.socket()
        var expected: [Route] = []
        for _ in 0..<20 {
            let route = Sample.route(&random)
            try socket.replaceRoute(route)
            expected.append(route)
        }
        let sorted =
            expected.filter { $0.destination.address.family == .ipv4 }
            + expected.filter { $0.destination.address.family == .ipv6 }
        #expect(try socket.routes() == sorted)
        #expect(
            try socket.routes(routeProtocol: 0x6d) == sorted.filter { $0.routeProtocol == 0x6d })
        let first = try #require(expected.first)
        try socket.removeRoute(first)
        #expect(try socket.routes().count == expected.count - 1)
    }

    @Test("rules of every shape", arguments: 1...40)
    func rules(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        let kernel = MemoryKernel()
        let socket = kernel.socket()
        var expected: [Rule] = []
        for _ in 0..<20 {
            let rule = Sample.rule(&random)
            try socket.addRule(rule)
            expected.append(rule)
        }
        #expect(
            try socket.rules() == expected.filter { $0.family == .ipv4 }
                + expected.filter { $0.family == .ipv6 })
    }

    @Test("addresses of both families", arguments: 1...20)
    func addresses(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        let kernel = MemoryKernel()
        let socket = kernel.socket()
        var expected: [InterfaceAddress] = []
        for index in 1...20 {
            let family: IPAddress.Family = Bool.random(using: &random) ? .ipv4 : .ipv6
            let entry = InterfaceAddress(
                index: Int32(index), prefix: Sample.prefix(family, &random))
            try socket.addAddress(index: entry.index, entry.prefix)
            expected.append(entry)
        }
        #expect(try socket.addresses() == expected)
    }
}

/// Random values for round trips and for fuzzing.
enum Sample {
    static func address(_ family: IPAddress.Family, _ random: inout SplitMix) -> IPAddress {
        IPAddress(family: family, high: random.next(), low: random.next())
    }

    static func prefix(_ family: IPAddress.Family, _ random: inout SplitMix) -> IPPrefix {
        let address = address(family, &random)
        return IPPrefix(address, length: Int.random(in: 0...family.bits, using: &random))
            ?? IPPrefix(host: address)
    }

    static func maybe<Value>(_ random: inout SplitMix, _ make: (inout SplitMix) -> Value) -> Value?
    {
        Bool.random(using: &random) ? make(&random) : nil
    }

    static func route(_ random: inout SplitMix) -> Route {
        let family: IPAddress.Family = Bool.random(using: &random) ? .ipv4 : .ipv6
        var route = Route(
            destination: prefix(family, &random).network,
            table: [254, 255, 7, 1000, 0x6d70].randomElement(using: &random) ?? 254,
            routeProtocol: [2, 3, 0x6d].randomElement(using: &random) ?? 2,
            kind: [.unicast, .unreachable, .blackhole, .prohibit, .local, .passOn, .other(3)]
                .randomElement(using: &random) ?? .unicast)
        route.interfaceIndex = maybe(&random) { Int32.random(in: 1...9999, using: &$0) }
        route.source = maybe(&random) { address(family, &$0) }
        // A gateway may be of the other family.
        route.gateway = maybe(&random) { address(Bool.random(using: &$0) ? .ipv4 : .ipv6, &$0) }
        route.metric = UInt32.random(in: 0...5, using: &random)
        route.mtu = maybe(&random) { UInt32.random(in: 576...9000, using: &$0) }
        if Bool.random(using: &random) {
            for _ in 0..<3 {
                route.nexthops.append(
                    Route.Nexthop(
                        interfaceIndex: Int32.random(in: 1...99, using: &random),
                        gateway: maybe(&random) {
                            address(Bool.random(using: &$0) ? .ipv4 : .ipv6, &$0)
                        },
                        weight: UInt16.random(in: 1...256, using: &random)))
            }
        }
        return route
    }

    static func rule(_ random: inout SplitMix) -> Rule {
        let family: IPAddress.Family = Bool.random(using: &random) ? .ipv4 : .ipv6
        var rule = Rule(
            family: family, priority: UInt32.random(in: 0...32_767, using: &random),
            action: [
                .table(254), .table(5000), .jump(40), .nothing, .blackhole, .unreachable, .prohibit,
                .other(4),
            ].randomElement(using: &random) ?? .nothing,
            routeProtocol: UInt8.random(in: 0...255, using: &random))
        func network(_ random: inout SplitMix) -> IPPrefix? {
            let prefix = prefix(family, &random).network
            return prefix.length == 0 ? nil : prefix
        }
        rule.isInverted = Bool.random(using: &random)
        rule.from = maybe(&random, network) ?? nil
        rule.to = maybe(&random, network) ?? nil
        rule.inputInterface = maybe(&random) { "in\(UInt8.random(in: 0...9, using: &$0))" }
        rule.outputInterface = maybe(&random) { "out\(UInt8.random(in: 0...9, using: &$0))" }
        rule.mark = maybe(&random) { UInt32(truncatingIfNeeded: $0.next()) }
        rule.mask = maybe(&random) { UInt32(truncatingIfNeeded: $0.next()) }
        rule.users = maybe(&random) { 0...UInt32.random(in: 0...UInt32.max, using: &$0) }
        rule.ipProtocol = maybe(&random) { UInt8.random(in: 0...255, using: &$0) }
        rule.sourcePorts = maybe(&random) { 1...UInt16.random(in: 1...UInt16.max, using: &$0) }
        rule.destinationPorts = maybe(&random) { 1...UInt16.random(in: 1...UInt16.max, using: &$0) }
        rule.suppressPrefixLength = maybe(&random) { Int32.random(in: 0...128, using: &$0) }
        rule.suppressGroup = maybe(&random) { UInt32.random(in: 0...99, using: &$0) }
        return rule
    }
}
