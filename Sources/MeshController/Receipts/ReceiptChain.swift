public import MeshModel
import NodeProtocol

/// One envelope and where it came from.
public struct ReceiptSource: Sendable, Equatable {
    /// A file, a line of one, or a number in the log.
    public let name: String
    /// The envelope's JSON.
    public let bytes: [UInt8]

    /// Names an envelope.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// The envelopes in a file: one, or one a line. What cannot be told apart is one, and will be refused as such.
    public static func envelopes(in bytes: [UInt8], name: String) -> [ReceiptSource] {
        if (try? Wire.decode(ReceiptEnvelope.self, from: bytes)) != nil {
            return [ReceiptSource(name: name, bytes: bytes)]
        }
        let newline = UInt8(ascii: "\n")
        let lines = bytes.split(separator: newline, omittingEmptySubsequences: false).enumerated()
            .filter { !$0.element.allSatisfy { [0x20, 0x09, 0x0d].contains($0) } }
        let first = lines.first?.element.first { $0 != 0x20 }
        // A single envelope over several lines that does not decode has lines that are no objects.
        guard lines.count > 1, first == UInt8(ascii: "{"),
            lines.contains(where: {
                (try? Wire.decode(ReceiptEnvelope.self, from: Array($0.element))) != nil
            })
        else { return [ReceiptSource(name: name, bytes: bytes)] }
        return lines.map {
            ReceiptSource(name: "\(name):\($0.offset + 1)", bytes: Array($0.element))
        }
    }
}

/// What came of checking receipts that are to follow one another.
public struct ReceiptChain: Sendable, Equatable {
    /// Each receipt by itself, in the order in which they came. Only the newest is held to its expiry.
    public private(set) var checks: [ReceiptCheck] = []
    /// What is wrong with their order.
    public private(set) var problems: [ReceiptProblem] = []

    /// All that is wrong.
    public var allProblems: [ReceiptProblem] { checks.flatMap(\.problems) + problems }

    /// The receipt with the highest number.
    public var newest: Receipt? {
        checks.compactMap(\.receipt).max { $0.sequence < $1.sequence }
    }

    /// Checks receipts in the order in which they are given: no gap, no reordering, no fork. Pure.
    ///
    /// - Parameters:
    ///   - isWhole: whether this is to be the log from its beginning.
    ///   - end: number and digest of the last one, where they are known from elsewhere. Without them nobody can tell
    ///     that receipts are missing at the end.
    public init(
        _ sources: [ReceiptSource], key: PublicKey, now: Double, isWhole: Bool,
        end: (sequence: Int, digest: String)? = nil
    ) {
        self.init(sources, keys: ReceiptKeys(key), now: now, isWhole: isWhole, end: end)
    }

    /// The same, where the controller has changed its key.
    public init(
        _ sources: [ReceiptSource], keys: ReceiptKeys, now: Double, isWhole: Bool,
        end: (sequence: Int, digest: String)? = nil
    ) {
        let all = sources.map {
            ReceiptVerifier.check($0.bytes, source: $0.name, keys: keys, now: now)
        }
        let highest = all.compactMap { $0.receipt?.sequence }.max()
        checks = all.map { check in
            if check.receipt == nil || check.receipt?.sequence == highest { return check }
            return ReceiptCheck(
                source: check.source, receipt: check.receipt,
                problems: check.problems.filter { $0.code != .expired })
        }
        follow(isWhole: isWhole)
        if let end { compare(with: end) }
    }

    /// The same, with problems that were found elsewhere.
    public func adding(_ more: [ReceiptProblem]) -> ReceiptChain {
        var chain = self
        chain.problems += more
        return chain
    }

    /// Envelopes in the order of their numbers; those that cannot be read come last.
    public static func inOrder(
        _ sources: [ReceiptSource], keys: ReceiptKeys
    ) -> [ReceiptSource] {
        let numbers = sources.map {
            ReceiptVerifier.check($0.bytes, source: $0.name, keys: keys, now: 0).receipt?.sequence
                ?? Int.max
        }
        return zip(sources, numbers).enumerated()
            .sorted { ($0.element.1, $0.offset) < ($1.element.1, $1.offset) }.map(\.element.0)
    }

    private mutating func follow(isWhole: Bool) {
        var seen: [Int: (digest: String, source: String)] = [:]
        var before: Receipt?
        // Behind one that cannot be read nothing can be said of what is missing.
        var isCertain = true
        var meshID: String?
        for check in checks {
            guard let receipt = check.receipt else {
                isCertain = false
                continue
            }
            let number = receipt.sequence
            let other = meshID != nil && meshID != receipt.statement.predicate.meshID
            meshID = meshID ?? receipt.statement.predicate.meshID
            if other {
                add(
                    .otherMesh, check.source, "receipt \(number) is of another mesh",
                    "check each mesh's receipts by themselves")
                continue
            }
            if let twin = seen[number] {
                let same = twin.digest == receipt.digest
                add(
                    same ? .repeated : .fork, check.source,
                    same
                        ? "receipt \(number) is there twice, first in \(twin.source)"
                        : "there are two receipts of number \(number), the other in \(twin.source): the log was forked",
                    same
                        ? "take one of them out"
                        : "find out who holds a copy of the controller's state and key; believe neither"
                )
                continue
            }
            seen[number] = (receipt.digest, check.source)
            let last = before?.sequence
            if let last, number < last {
                add(
                    .order, check.source, "receipt \(number) comes after receipt \(last)",
                    "an old receipt was put in a newer one's place, or lines were moved: export the log again"
                )
                continue
            }
            let wanted = last.map { $0 + 1 } ?? (isWhole ? 1 : number)
            if number > wanted, isCertain {
                let gap =
                    number - wanted == 1
                    ? "receipt \(wanted) is missing"
                    : "receipts \(wanted) to \(number - 1) are missing"
                add(
                    .gap, check.source, "\(gap) before receipt \(number)",
                    "get them from the controller: meshproof receipt ls --export FILE")
            }
            if let before, number == before.sequence + 1,
                receipt.statement.predicate.previous != before.digest
            {
                add(
                    .fork, check.source,
                    "receipt \(number) does not follow this receipt \(before.sequence), but another one of that number",
                    "find out who holds a copy of the controller's state and key; believe neither")
            }
            before = receipt
            isCertain = true
        }
        if checks.isEmpty {
            add(.gap, "receipts", "there is none", "run `meshproof verify`, which makes one")
        }
    }

    private mutating func compare(with end: (sequence: Int, digest: String)) {
        let fix = "restore the controller's state from a backup, and find out who changed it"
        guard let newest, newest.sequence >= end.sequence else {
            add(.gap, "log", "the log ends with receipt \(end.sequence), which is missing", fix)
            return
        }
        if newest.sequence > end.sequence || newest.digest != end.digest {
            add(.fork, "log", "the log's end is another than receipt \(newest.sequence)", fix)
        }
    }

    private mutating func add(
        _ code: ReceiptProblem.Code, _ source: String, _ message: String, _ fix: String
    ) {
        problems.append(ReceiptProblem(code, source, message, fix: fix))
    }
}
