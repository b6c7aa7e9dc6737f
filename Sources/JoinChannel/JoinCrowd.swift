import MeshModel

/// Which connection gives way where more of them wait than may. Pure.
///
/// A stranger can open as many as it likes, but each comes from an address that it has. So whoever has the most loses
/// first, and whoever is known to have the key does not lose to those who are not.
public struct JoinCrowd: Sendable {
    /// One connection, as far as this goes.
    public struct Entry: Sendable, Equatable {
        /// By what it is counted: see ``JoinCrowd/source(of:)``.
        public let source: String
        /// Whether it has shown the key, so far as whoever asks can tell.
        public let isProven: Bool

        /// Gathers both.
        public init(source: String, isProven: Bool) {
            self.source = source
            self.isProven = isProven
        }
    }

    /// Connections at the same time.
    public let limit: Int
    /// Connections at the same time from one source that have not shown the key.
    public let perSource: Int

    /// A rule for so many.
    public init(limit: Int, perSource: Int) {
        self.limit = limit
        self.perSource = perSource
    }

    /// By what a connection from `peer` is counted: an IPv4 address itself, of an IPv6 address the /64, since whoever
    /// has one address of it has them all. What stands behind the address (`through NODE`) stays.
    public static func source(of peer: String) -> String {
        let parts = peer.split(separator: " ", maxSplits: 1)
        guard let word = parts.first else { return peer }
        // A link-local address says by which interface it came: `fe80::1%eth0`.
        let halves = word.split(separator: "%", maxSplits: 1)
        guard let first = halves.first, let address = IPAddress(String(first)),
            // In ::/64 are loopback and IPv4 addresses in IPv6's clothes: those are one machine each.
            address.family == .ipv6, address.high != 0
        else { return peer }
        let network = IPAddress(family: .ipv6, high: address.high, low: 0)
        let zone = halves.dropFirst().map { "%\($0)" }.joined()
        return "\(network)\(zone)/64" + parts.dropFirst().map { " \($0)" }.joined()
    }

    /// The place in `entries` of the one that gives way, or nil where all have room.
    ///
    /// - Parameter entries: in the order in which they came, the newcomer last. With one more than fits, it is among those
    ///   that may have to go: it is the one where all others have shown the key.
    public func givesWay(in entries: [Entry]) -> Int? {
        guard let newcomer = entries.last else { return nil }
        var counts: [String: Int] = [:]
        for entry in entries where !entry.isProven { counts[entry.source, default: 0] += 1 }
        if counts[newcomer.source, default: 0] > perSource {
            return entries.firstIndex { !$0.isProven && $0.source == newcomer.source }
        }
        guard entries.count > limit else { return nil }
        // Of several that have as many, the one that has waited longest.
        let most = counts.values.max()
        return entries.firstIndex { !$0.isProven && counts[$0.source] == most }
            ?? entries.indices.last
    }
}
