import Glibc

extension RouteSocket {
    /// Every filter of traffic control: those on a link's hooks, on its queues, and on their classes.
    ///
    /// *Throws:* nothing where the kernel has no traffic control.
    public func trafficFilters() throws(NetlinkError) -> [TrafficFilter] {
        var found: [TrafficFilter] = []
        let queues = try trafficQueues(RouteMessage.getQueue, index: 0)
        for queue in queues where queue.kind != "noqueue" {
            switch queue.kind {
            case "ingress":
                found += try filters(queue.interfaceIndex, parent: queue.handle)
            case "clsact":
                // TC_H_CLSACT with TC_H_MIN_INGRESS and TC_H_MIN_EGRESS.
                for minor: UInt32 in [0xfff2, 0xfff3] {
                    found += try filters(queue.interfaceIndex, parent: queue.handle | minor)
                }
            default:
                // The kernel's own queues have no number, and nothing can hang on them.
                guard queue.handle != 0 else { continue }
                found += try filters(queue.interfaceIndex, parent: queue.handle)
            }
        }
        let links = Set(queues.filter { $0.handle != 0 }.map(\.interfaceIndex))
        for index in links.sorted() {
            for part in try trafficQueues(RouteMessage.getClass, index: index) {
                found += try filters(index, parent: part.handle)
            }
        }
        // A queue and its class may lead to the same filters.
        var seen: Set<TrafficFilter> = []
        return found.filter { seen.insert($0).inserted }
    }

    private func trafficQueues(
        _ type: UInt16, index: Int32
    ) throws(NetlinkError) -> [TrafficQueue] {
        var writer = NetlinkWriter()
        TrafficCodec.request(&writer, type, index: index)
        return try tolerating {
            () throws(NetlinkError) in
            try connection.dump(&writer, "list queues", into: []) {
                (list, message) throws(NetlinkError) in
                if let queue = try TrafficCodec.decodeQueue(message) { list.append(queue) }
            }
        }
    }

    private func filters(
        _ index: Int32, parent: UInt32
    ) throws(NetlinkError) -> [TrafficFilter] {
        var writer = NetlinkWriter()
        TrafficCodec.request(&writer, RouteMessage.getFilter, index: index, parent: parent)
        return try tolerating {
            () throws(NetlinkError) in
            try connection.dump(&writer, "list filters", "of link \(index)", into: []) {
                (list, message) throws(NetlinkError) in
                if let filter = try TrafficCodec.decodeFilter(message) { list.append(filter) }
            }
        }
    }

    /// A queue without filters, a link that went away, or a kernel without traffic control has none.
    private func tolerating<Value>(
        _ body: () throws(NetlinkError) -> [Value]
    ) throws(NetlinkError) -> [Value] {
        do throws(NetlinkError) { return try body() } catch {
            if error.code == .missing || error.code == .unsupported || error.errno == EINVAL {
                return []
            }
            throw error
        }
    }
}
