import MeshController
import MeshModel

/// A receipt in a list, as JSON.
struct ReceiptLine: Encodable {
    let number: Int
    let genuine: Bool
    let digest: String?
    let issuedAt: String?
    let expiresAt: String?
    let mesh: String?
    let edges: Int?
    let encrypted: Int?
    let verdict: Verdict?
    let level: EvidenceLevel?
    let proven: Bool?

    init(number: Int, _ check: ReceiptCheck) {
        self.number = number
        genuine = check.receipt != nil && check.problems.allSatisfy { $0.code == .expired }
        let report = check.receipt?.report
        digest = check.receipt?.digest
        issuedAt = check.receipt?.statement.predicate.issuedAt
        expiresAt = check.receipt?.statement.predicate.expiresAt
        mesh = report?.mesh
        edges = report?.edges.count
        encrypted = report.map { report in
            report.edges.filter { VerifyView.isGood($0, report) }.count
        }
        verdict = report?.edges.map(\.verdict).min()
        level = report?.edges.map(\.level).min()
        proven = report?.isProven
    }
}

/// Receipts for people.
struct ReceiptView {
    let output: Output
    let now: Double

    init(_ output: Output, now: Double) {
        self.output = output
        self.now = now
    }

    private var style: Style { output.style }

    func list(_ checks: [(number: Int, check: ReceiptCheck)], earlier: Int) {
        if checks.isEmpty {
            output.line("No receipt yet. `meshproof verify` makes one.")
            return
        }
        var table = Table(
            ["NUMBER", "MADE", "EDGES", "WORST", "LEVEL", "EXPIRES", "DIGEST"], style)
        for (number, check) in checks {
            guard let receipt = check.receipt else {
                table.add(["\(number)", style.red("not genuine"), "–", "–", "–", "–", "–"])
                continue
            }
            let report = receipt.report
            let worst = report.edges.map(\.verdict).min() ?? .unproven
            table.add([
                "\(number)", Timestamp.words(receipt.issuedAt), VerifyView.count(report),
                worst.paint("\(worst.mark) \(worst.rawValue)", style),
                (report.edges.map(\.level).min() ?? .declared).rawValue, expiry(receipt),
                String(receipt.digest.prefix(8)),
            ])
        }
        table.lines(width: output.wrapWidth).forEach { output.line($0) }
        if earlier > 0 {
            output.line()
            output.line(
                style.dim("  \(Human.count(earlier, "earlier receipt")): receipt ls --last N"))
        }
        for (_, check) in checks { problems(check.problems.filter { $0.code != .expired }) }
    }

    private func expiry(_ receipt: Receipt) -> String {
        receipt.expiresAt > now
            ? "in \(Human.age(receipt.expiresAt - now))" : style.dim("expired")
    }

    /// One receipt whose signature holds, and what it says.
    func print(_ receipt: Receipt, key: PublicKey) {
        let predicate = receipt.statement.predicate
        let mesh = TextWrap.plain(receipt.report.mesh)
        output.hang(
            style.bold("Receipt \(receipt.sequence)") + "  ",
            "of mesh \(mesh), made by meshproof \(TextWrap.plain(predicate.program))")
        var table = Table(["", ""], style)
        table.add(["made", Timestamp.words(receipt.issuedAt)])
        let until = Timestamp.words(receipt.expiresAt)
        table.add([
            "valid until",
            receipt.expiresAt > now
                ? "\(until), \(expiry(receipt))" : "\(until): \(style.yellow("expired"))",
        ])
        table.add(["digest", receipt.digest])
        table.add([
            "follows",
            predicate.previous.map { "receipt \(receipt.sequence - 1), \($0.prefix(16))…" }
                ?? "none: it is the first",
        ])
        table.add(["signed by", "\(ReceiptEnvelope.keyID(of: key).prefix(16))…"])
        table.lines(width: output.wrapWidth).dropFirst().forEach { output.line($0) }
        output.line()
        VerifyView.lines(
            receipt.report, style: style, width: output.wrapWidth, validUntil: receipt.expiresAt,
            isDetailed: true
        ).forEach { output.line($0) }
    }

    /// What is wrong, and what to do about it.
    func problems(_ problems: [ReceiptProblem]) {
        for problem in problems {
            // A receipt of the log is named by the message already.
            let isNamed = problem.message.hasPrefix(problem.source)
            let source = isNamed ? "" : style.bold(TextWrap.plain(problem.source)) + "  "
            output.hang("  \(style.red("✗")) \(source)", TextWrap.plain(problem.message))
            output.hang("      fix: ", problem.fix)
        }
    }

    /// What came of a check.
    func print(_ chain: ReceiptChain, key: PublicKey) {
        let wrong = chain.allProblems
        problems(wrong)
        guard let newest = chain.newest else { return }
        let mesh = TextWrap.plain(newest.report.mesh)
        if wrong.isEmpty {
            let numbers = chain.checks.compactMap { $0.receipt?.sequence }
            let what =
                numbers.count == 1
                ? "receipt \(newest.sequence) of mesh \(mesh) is genuine"
                : "receipts \(numbers.first ?? 0) to \(newest.sequence) of mesh \(mesh) are genuine, and each follows the one before"
            output.hang(
                "\(style.green("✓")) ",
                "\(what); signed by \(ReceiptEnvelope.keyID(of: key).prefix(16))…")
            output.hang(
                "  ",
                "\(numbers.count == 1 ? "" : "The newest was ")made \(Timestamp.words(newest.issuedAt)), valid until \(Timestamp.words(newest.expiresAt)), topology sha256:\(newest.statement.predicate.topology.prefix(12))"
            )
            let says = VerifySummary(newest.report).text
            let isGood = newest.report.isProven
            output.hang("  It says: ", isGood ? says : style.yellow(says))
        } else {
            output.line()
            output.hang(
                "",
                style.bold(
                    wrong.allSatisfy { $0.code == .expired }
                        ? "Genuine, but expired: it says nothing of the present."
                        : "Not to be believed: \(Human.count(wrong.count, "problem"))."))
        }
    }
}
