/// Receipts in the order in which they were made, each under the number after the one before.
///
/// *Shape:* `receipt/head` holds the last one's number and digest, `receipt/log/NUMBER` the envelope as it was signed.
/// Nothing is ever taken out. What is in an envelope is not looked at here.
public struct ReceiptLog: Sendable {
    private let store: any KeyValueStore

    /// The end of the log.
    public struct Head: Codable, Sendable, Equatable {
        /// The last receipt's number, from 1.
        public var sequence: Int
        /// The last receipt's digest, in hexadecimal; the next receipt names it.
        public var digest: String

        /// Pairs a number with a digest.
        public init(sequence: Int, digest: String) {
            self.sequence = sequence
            self.digest = digest
        }
    }

    /// The log in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// The last receipt's number and digest, or nil where there is none.
    public func head() throws(StoreError) -> Head? {
        try store.get(Self.headKey).map { (found) throws(StoreError) in
            try Record.decode(Head.self, found.value, key: Self.headKey)
        }
    }

    /// The envelope of one receipt, or nil.
    public func envelope(_ sequence: Int) throws(StoreError) -> [UInt8]? {
        try store.get(Self.key(sequence))?.value
    }

    /// Adds a receipt behind `before`, in one commit with the new end.
    ///
    /// *Throws:* ``StoreError`` `conflict` where `before` is not the end of the log any more.
    public func append(
        _ envelope: [UInt8], digest: String, after before: Head?
    ) throws(StoreError) -> Head {
        let found = try store.get(Self.headKey)
        if try found.map({ (found) throws(StoreError) in
            try Record.decode(Head.self, found.value, key: Self.headKey)
        }) != before {
            throw KeyRules.conflict(Self.headKey)
        }
        let head = Head(sequence: (before?.sequence ?? 0) + 1, digest: digest)
        try store.commit([
            StoreChange(
                Self.headKey, .put(try Record.encode(head)),
                expecting: found.map { .version($0.version) } ?? .absent),
            StoreChange(Self.key(head.sequence), .put(envelope), expecting: .absent),
        ])
        return head
    }

    private static let headKey = "receipt/head"

    private static func key(_ sequence: Int) -> String {
        // Ten digits keep the order of the text the order of the numbers.
        let digits = String(sequence)
        return "receipt/log/" + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    }
}
