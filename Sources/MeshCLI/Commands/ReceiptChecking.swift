import LinuxSystem
import MeshController
import MeshModel
import Secrets

/// `receipt check`: with files and a key it needs neither topology nor state.
struct ReceiptChecking {
    private let invocation: Invocation
    private let output: Output
    private let now: Double

    /// What `check --json` prints.
    private struct Result: Encodable {
        let genuine: Bool
        let proven: Bool?
        let receipts: [ReceiptLine]
        let problems: [ReceiptProblem]
    }

    init(_ invocation: Invocation) throws {
        self.invocation = invocation
        output = Output(1, noColor: invocation.has("no-color"))
        guard let text = invocation.values["at"] else {
            now = Clocks.wall()
            return
        }
        guard let at = Timestamp.parse(text) else {
            throw CommandFailure(
                "--at \(text): want a moment such as 2026-03-04T12:00:00Z", code: ExitCode.usage)
        }
        now = at
    }

    func run(_ operands: [String]) throws -> Int32 {
        let isWhole = invocation.has("all")
        let wanted = operands.isEmpty && !isWhole ? ["latest"] : operands
        let files = wanted.filter { !Self.isNumber($0) }
        let needsState = !invocation.has("key") || files.count < wanted.count || wanted.isEmpty
        let desk = needsState ? try ReceiptDesk(invocation, now: now) : nil
        let keys = try publicKeys(desk)
        let sources = try self.sources(wanted, desk, keys)
        var end: (sequence: Int, digest: String)?
        if wanted.isEmpty { end = try desk?.state.lastReceipt() }
        let chain = ReceiptChain(sources, keys: keys, now: now, isWhole: isWhole, end: end)
        var problems = try foreign(chain, desk)
        if !files.isEmpty, let file = invocation.values["topology"] {
            problems += try otherTopology(chain, file)
        }
        return try report(chain.adding(problems), keys.newest)
    }

    private static func isNumber(_ operand: String) -> Bool {
        operand == "latest" || Int(operand) != nil
    }

    private func publicKeys(_ desk: ReceiptDesk?) throws -> ReceiptKeys {
        guard let text = invocation.values["key"] else {
            guard let desk else { throw CommandFailure("which key?", code: ExitCode.usage) }
            return try desk.keys()
        }
        if let key = ReceiptKey.parse(text) { return ReceiptKeys(key) }
        let wanted = "44 characters of base64, or PEM, as `meshproof receipt key` prints them"
        let bytes: [UInt8]
        do { bytes = try Files.read(text, limit: 1 << 16) } catch {
            throw CommandFailure(
                "--key: \(error)", fix: "give \(wanted), or a file that holds them",
                code: ExitCode.usage)
        }
        guard let keys = ReceiptKeys.parse(String(decoding: bytes, as: UTF8.self)) else {
            throw CommandFailure(
                "--key: \(text) holds no public key, or a chain of keys that does not hold",
                fix: "it has to hold \(wanted)",
                code: ExitCode.usage)
        }
        return keys
    }

    /// The envelopes. Files of one receipt each are put in the order of their numbers: in which order a shell names
    /// files says nothing. Lines of a file stay in theirs.
    private func sources(
        _ wanted: [String], _ desk: ReceiptDesk?, _ keys: ReceiptKeys
    ) throws -> [ReceiptSource] {
        var sources: [ReceiptSource] = []
        var areSingle = true
        for operand in wanted {
            if Self.isNumber(operand), let desk {
                let number = try desk.number(operand)
                sources.append(
                    ReceiptSource(name: "receipt \(number)", bytes: try desk.envelope(number)))
                continue
            }
            let bytes: [UInt8]
            do { bytes = try Files.read(operand, limit: 1 << 28) } catch {
                throw CommandFailure(
                    "\(error)", fix: "name a file that `meshproof receipt show N --json` printed")
            }
            let found = ReceiptSource.envelopes(in: bytes, name: operand)
            areSingle = areSingle && found.count == 1
            sources += found
        }
        if wanted.isEmpty, let desk, let last = try desk.state.lastReceipt()?.sequence {
            for number in 1..<(last + 1) {
                guard let bytes = try desk.state.receiptEnvelope(number) else { continue }
                sources.append(ReceiptSource(name: "receipt \(number)", bytes: bytes))
            }
        }
        return areSingle ? ReceiptChain.inOrder(sources, keys: keys) : sources
    }

    /// Receipts that are signed with our key and are not those of our log.
    private func foreign(_ chain: ReceiptChain, _ desk: ReceiptDesk?) throws -> [ReceiptProblem] {
        // With a key of its own the check is about another controller's receipts.
        guard let desk, !invocation.has("key") else { return [] }
        return try chain.checks.compactMap { check in
            guard let receipt = check.receipt else { return nil }
            let kept = try desk.state.receiptEnvelope(receipt.sequence).flatMap {
                ReceiptVerifier.check($0, source: "log", keys: try desk.keys(), now: now).receipt
            }
            if kept?.digest == receipt.digest { return nil }
            return ReceiptProblem(
                .fork, check.source,
                kept == nil
                    ? "the controller's log has no receipt \(receipt.sequence)"
                    : "the controller's log has another receipt \(receipt.sequence)",
                fix: "find out who holds a copy of the controller's state and key; believe neither")
        }
    }

    private func otherTopology(_ chain: ReceiptChain, _ file: String) throws -> [ReceiptProblem] {
        let bytes: [UInt8]
        do { bytes = try Files.read(file, limit: 16 << 20) } catch {
            throw CommandFailure("\(error)", fix: "name the topology with -t, or leave -t out")
        }
        guard let newest = chain.newest,
            newest.statement.predicate.topology != Digests.sha256(bytes)
        else { return [] }
        return [
            ReceiptProblem(
                .otherTopology, "receipt \(newest.sequence)",
                "is about another topology than \(file) as it is now",
                fix: "run `meshproof verify` for a receipt of this one")
        ]
    }

    private func report(_ chain: ReceiptChain, _ key: PublicKey) throws -> Int32 {
        let problems = chain.allProblems
        if invocation.has("json") {
            let result = Result(
                genuine: problems.isEmpty,
                proven: problems.isEmpty ? chain.newest?.report.isProven : nil,
                receipts: chain.checks.compactMap { check in
                    check.receipt.map { ReceiptLine(number: $0.sequence, check) }
                }, problems: problems)
            try JSONOutput.print(result, command: "receipt check", to: output)
        } else {
            ReceiptView(output, now: now).print(chain, key: key)
        }
        if !problems.isEmpty { return ExitCode.failure }
        return chain.newest?.report.isProven == true ? ExitCode.fine : ExitCode.notEncrypted
    }
}
