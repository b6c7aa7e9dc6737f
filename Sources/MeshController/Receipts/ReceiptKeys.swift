public import MeshModel
import NodeProtocol
import Secrets

/// The keys that a controller has signed receipts with, each for its own numbers.
///
/// Whoever trusts the first key trusts the others: each is vouched for by the one before. A former key is believed for
/// the receipts up to its last one only, so that it makes no new ones when it is stolen later.
public struct ReceiptKeys: Sendable, Equatable {
    /// One key.
    public struct Span: Sendable, Equatable {
        /// The key.
        public let key: PublicKey
        /// The numbers of the receipts that are its own.
        public let numbers: ClosedRange<Int>
    }

    /// Oldest first; never empty.
    public let spans: [Span]
    /// The changes from one to the next.
    public let successions: [KeySuccession]

    /// One key, for all receipts.
    public init(_ key: PublicKey) {
        self.init([Span(key: key, numbers: 0...Int.max)], [])
    }

    private init(_ spans: [Span], _ successions: [KeySuccession]) {
        self.spans = spans
        self.successions = successions
    }

    /// A key that is trusted, and those that a chain leads to from it; nil for a chain that does not hold.
    public init?(_ key: PublicKey, _ chain: [KeySuccession]) {
        guard let meshID = chain.first?.meshID else {
            self.init(key)
            return
        }
        guard
            let links = try? KeySuccession.follow(chain, from: key, after: 0, meshID: meshID)
        else { return nil }
        var spans: [Span] = []
        var (current, first) = (key, 0)
        for link in links {
            // A key that signed nothing has no number, and none that is there before it.
            guard link.lastReceipt >= first - 1, link.lastReceipt < Int.max else { return nil }
            if link.lastReceipt >= first {
                spans.append(Span(key: current, numbers: first...link.lastReceipt))
            }
            (current, first) = (link.newKey, link.lastReceipt + 1)
        }
        spans.append(Span(key: current, numbers: first...Int.max))
        self.init(spans, links)
    }

    /// The key of now.
    public var newest: PublicKey { spans[spans.count - 1].key }

    /// A key, in any form that ``ReceiptKey/parse(_:)`` takes, and behind it a succession a line, as
    /// `receipt key --all` prints them. Nil for anything else, and for a chain that does not hold.
    public static func parse(_ text: String) -> ReceiptKeys? {
        let lines = text.split(whereSeparator: \.isNewline)
        let head = lines.prefix { !$0.hasPrefix("{") }.joined(separator: "\n")
        guard let key = ReceiptKey.parse(head) else { return nil }
        var chain: [KeySuccession] = []
        for line in lines.drop(while: { !$0.hasPrefix("{") }) {
            guard let link = try? Wire.decode(KeySuccession.self, from: Array(line.utf8)) else {
                return nil
            }
            chain.append(link)
        }
        guard let keys = ReceiptKeys(key, chain) else { return nil }
        return keys.successions.count == chain.count ? keys : nil
    }

    /// What ``parse(_:)`` reads.
    public var text: String {
        let first = successions.first?.oldKey ?? newest
        let lines = successions.compactMap { link in
            (try? Wire.encode(link)).map { String(decoding: $0, as: UTF8.self) }
        }
        return ([first.description] + lines).joined(separator: "\n") + "\n"
    }
}
