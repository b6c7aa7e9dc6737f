import Glibc
public import MeshModel

extension RouteSocket {
    // MARK: Routes

    /// Routes of all tables, IPv4 before IPv6.
    ///
    /// - Parameter routeProtocol: only those of one maker; the kernel filters, so that a full table costs nothing.
    public func routes(routeProtocol: UInt8? = nil) throws(NetlinkError) -> [Route] {
        var all: [Route] = []
        for family in [KernelFamily.ipv4, KernelFamily.ipv6] {
            var writer = NetlinkWriter()
            writer.start(
                type: RouteMessage.getRoute, flags: NetlinkFlags.request | NetlinkFlags.dump)
            writer.append(UInt32(family))
            // Table any, protocol, scope any, type any; no flags.
            writer.append(UInt8(0))
            writer.append(routeProtocol ?? 0)
            writer.append(UInt16(0))
            writer.append(UInt32(0))
            do throws(NetlinkError) {
                all += try connection.dump(&writer, "list routes", into: []) {
                    (list, message) throws(NetlinkError) in
                    guard let route = try RouteCodec.decode(message) else { return }
                    // A kernel before 4.20 does not filter.
                    if routeProtocol ?? route.routeProtocol == route.routeProtocol {
                        list.append(route)
                    }
                }
            } catch {
                // A filter that matches nothing (no such table), or a kernel without IPv6.
                if error.errno != ENOENT && error.code != .unsupported { throw error }
            }
        }
        return all
    }

    /// Adds a route, or replaces the one for the same destination, table and metric. *Idempotency:* the same twice is fine.
    public func replaceRoute(_ route: Route) throws(NetlinkError) {
        var writer = NetlinkWriter(capacity: 65_536)
        writer.start(
            type: RouteMessage.newRoute,
            flags: NetlinkFlags.request | NetlinkFlags.acknowledge | NetlinkFlags.create
                | NetlinkFlags.replace)
        RouteCodec.encode(&writer, route)
        try connection.request(&writer, "set route", "\(route.destination)")
    }

    /// Removes a route; its interface, source and gateway must match where they are given. *Idempotency:* a missing one is fine.
    public func removeRoute(_ route: Route) throws(NetlinkError) {
        var writer = NetlinkWriter(capacity: 65_536)
        writer.start(
            type: RouteMessage.deleteRoute, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        RouteCodec.encode(&writer, route, deleting: true)
        try toleratingMissing { () throws(NetlinkError) in
            try connection.request(&writer, "remove route", "\(route.destination)")
        }
    }

    /// What the kernel would do with a packet from this machine.
    public func route(_ question: RouteQuestion) throws(NetlinkError) -> RouteAnswer {
        let found: Route
        do throws(NetlinkError) {
            guard let route = try lookUp(question, flags: 0) else {
                throw .malformed(
                    "look up route", "\(question.destination)", "no route in the reply")
            }
            found = route
        } catch {
            // IPv4 tells a route that refuses by the errno that the sender would see.
            let kind: Route.Kind
            switch error.errno {
            case EHOSTUNREACH, ENETUNREACH: kind = .unreachable
            case EACCES: kind = .prohibit
            case EINVAL where error.text == nil: kind = .blackhole
            default: throw error
            }
            return RouteAnswer(kind: kind, table: 0, matched: nil)
        }
        // A kernel that cannot tell which route matched refuses; the answer stands without it.
        let matched = try? lookUp(question, flags: RouteCodec.fibMatch)
        return RouteAnswer(
            kind: found.kind, interfaceIndex: found.interfaceIndex, source: found.source,
            gateway: found.gateway, mtu: found.mtu ?? matched?.mtu, table: found.table,
            matched: matched)
    }

    /// What the kernel would do with a packet from this machine, by its parts.
    public func route(
        to destination: IPAddress, from source: IPAddress? = nil, mark: UInt32? = nil,
        user: UInt32? = nil,
        ipProtocol: UInt8? = nil, sourcePort: UInt16? = nil, destinationPort: UInt16? = nil
    ) throws(NetlinkError) -> RouteAnswer {
        var question = RouteQuestion(to: destination)
        question.source = source
        question.mark = mark
        question.user = user
        question.ipProtocol = ipProtocol
        question.sourcePort = sourcePort
        question.destinationPort = destinationPort
        return try route(question)
    }

    private func lookUp(_ question: RouteQuestion, flags: UInt32) throws(NetlinkError) -> Route? {
        let family = question.destination.family
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.getRoute, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        writer.append(KernelFamily.of(family))
        writer.append(UInt8(family.bits))
        writer.append(question.source == nil ? 0 : UInt8(family.bits))
        writer.append(UInt8(0))
        writer.append(UInt32(0))
        // IPv6 tells the table unasked, and refuses to be asked.
        writer.append(family == .ipv4 ? flags | RouteCodec.lookupTable : flags)
        writer.put(RouteCodec.destination, question.destination)
        if let source = question.source { writer.put(RouteCodec.lookupSource, source) }
        if let mark = question.mark { writer.put(RouteCodec.mark, mark) }
        if let user = question.user { writer.put(RouteCodec.uid, user) }
        if let ipProtocol = question.ipProtocol { writer.put(RouteCodec.ipProtocol, ipProtocol) }
        // Ports travel in network order.
        if let port = question.sourcePort { writer.put(RouteCodec.sourcePort, port.bigEndian) }
        if let port = question.destinationPort {
            writer.put(RouteCodec.destinationPort, port.bigEndian)
        }
        var found: Route?
        try connection.request(&writer, "look up route", "\(question.destination)") {
            (message) throws(NetlinkError) in
            guard message.type == RouteMessage.newRoute,
                message.uint8(at: 0) == KernelFamily.of(family)
            else { return }
            found = try RouteCodec.decode(message, family)
        }
        return found
    }

    // MARK: Rules

    /// All rules, IPv4 before IPv6, in the order in which they are looked at.
    public func rules() throws(NetlinkError) -> [Rule] {
        var all: [Rule] = []
        for family in [KernelFamily.ipv4, KernelFamily.ipv6] {
            var writer = NetlinkWriter()
            writer.start(
                type: RouteMessage.getRule, flags: NetlinkFlags.request | NetlinkFlags.dump)
            writer.append(UInt64(family))
            writer.append(UInt32(0))
            do throws(NetlinkError) {
                all += try connection.dump(&writer, "list rules", into: []) {
                    (list, message) throws(NetlinkError) in
                    if let rule = try RuleCodec.decode(message) { list.append(rule) }
                }
            } catch {
                // A kernel without IPv6.
                if error.code != .unsupported { throw error }
            }
        }
        return all
    }

    /// Adds a rule. *Idempotency:* one that is there already is fine.
    public func addRule(_ rule: Rule) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.newRule,
            flags: NetlinkFlags.request | NetlinkFlags.acknowledge | NetlinkFlags.create
                | NetlinkFlags.exclusive)
        RuleCodec.encode(&writer, rule)
        do throws(NetlinkError) {
            try connection.request(&writer, "add rule", "\(rule.priority)")
        } catch {
            if error.code != .exists { throw error }
        }
    }

    /// Removes a rule. *Idempotency:* a missing one is fine.
    public func removeRule(_ rule: Rule) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.deleteRule, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        RuleCodec.encode(&writer, rule)
        try toleratingMissing { () throws(NetlinkError) in
            try connection.request(&writer, "remove rule", "\(rule.priority)")
        }
    }
}
