import LinuxSystem
import MeshController
import MeshModel

extension CommandTable {
    static let receipt = Command(
        "receipt", operands: "ls|show|check|key [RECEIPT…]", operandCount: 1...10_000,
        summary: "show, hand on and check the signed receipts of verify",
        explanation: """
            Each run of verify leaves a receipt: what was found, signed with the controller's
            key, numbered, and bound to the receipt before it, so that none can be changed,
            added or taken out unseen.

              ls              the receipts of this controller
              show N|latest   one of them; with --json the signed envelope, to be saved
              check WHAT…     whether receipts are genuine, whole and still valid. WHAT is a
                              file, a number or latest (which is meant without it)
              key             the controller's public key, which is all that a check needs

            A check of files with --key works on any machine, without topology or state; give
            several files, or a file with a receipt a line (ls --export), and their order is
            checked too. With -t the receipt must be about exactly that topology file. Exit 0: genuine, valid, and every edge
            encrypted as asked; 3: genuine, and it says that one is not; 1: not to be believed,
            or expired.
            """,
        examples: [
            "meshproof receipt ls", "meshproof receipt show latest",
            "meshproof receipt show 12 --json > receipt-12.json",
            "meshproof receipt key > controller.pub",
            "meshproof receipt check receipt-12.json --key controller.pub",
            "meshproof receipt check --all",
        ],
        options: [
            Option("key", value: "KEY", help: "check: the public key, or a file that holds it"),
            Option(
                "all",
                help: "check: the whole log, from receipt 1 on; key: former keys too, cross-signed"),
            Option(
                "at", value: "TIME",
                help: "check: as of 2026-03-04T12:00:00Z, not of now"),
            Option("last", value: "N", help: "ls: how many to show (default 20)"),
            Option("export", value: "FILE", help: "ls: write all of them to FILE, one a line"),
            Option("pem", help: "key: in PEM, for openssl and others"),
        ]
    ) { invocation in
        let operands = invocation.operands.dropFirst()
        switch invocation.operands.first {
        case "ls":
            if !operands.isEmpty {
                throw CommandFailure("receipt ls takes no number", code: ExitCode.usage)
            }
            return try listReceipts(ReceiptDesk(invocation), invocation)
        case "show":
            guard operands.count == 1, let wanted = operands.first else {
                throw CommandFailure(
                    "which receipt?", fix: "meshproof receipt show latest", code: ExitCode.usage)
            }
            return try showReceipt(wanted, ReceiptDesk(invocation))
        case "check": return try ReceiptChecking(invocation).run(Array(operands))
        case "key":
            if !operands.isEmpty {
                throw CommandFailure("receipt key takes no name", code: ExitCode.usage)
            }
            return try showKey(ReceiptDesk(invocation), invocation)
        default:
            throw CommandFailure(
                "there is no `receipt \(invocation.operands.first ?? "")`",
                fix: "meshproof receipt ls, show, check or key", code: ExitCode.usage)
        }
    }

    private static func listReceipts(
        _ desk: ReceiptDesk, _ invocation: Invocation
    ) throws -> Int32 {
        let last = try desk.state.lastReceipt()?.sequence ?? 0
        if let file = invocation.values["export"] {
            var bytes: [UInt8] = []
            for number in 1..<(last + 1) { bytes += try desk.envelope(number) + [0x0a] }
            if file == "-" {
                desk.output.write(String(decoding: bytes, as: UTF8.self))
            } else {
                try Files.replace(file, with: bytes, mode: 0o644)
                desk.output.line("\(Human.count(last, "receipt")) written to \(file)")
            }
            return ExitCode.fine
        }
        let count = try invocation.count("last", 20, in: 1...1_000_000)
        var checks: [(number: Int, check: ReceiptCheck)] = []
        for number in max(1, last - count + 1)..<(last + 1) {
            checks.append((number, try desk.check(number)))
        }
        if desk.asJSON {
            let list = checks.map { ReceiptLine(number: $0.number, $0.check) }
            try JSONOutput.print(list, command: "receipt ls", to: desk.output)
        } else {
            ReceiptView(desk.output, now: desk.now).list(checks, earlier: last - checks.count)
        }
        return ExitCode.fine
    }

    private static func showReceipt(_ wanted: String, _ desk: ReceiptDesk) throws -> Int32 {
        let number = try desk.number(wanted)
        if desk.asJSON {
            desk.output.line(String(decoding: try desk.envelope(number), as: UTF8.self))
            return ExitCode.fine
        }
        let check = try desk.check(number)
        let view = ReceiptView(desk.output, now: desk.now)
        if let receipt = check.receipt { view.print(receipt, key: try desk.key()) }
        // Old receipts are there to be looked at; their age is said above.
        let problems = check.problems.filter { $0.code != .expired }
        view.problems(problems)
        return problems.isEmpty ? ExitCode.fine : ExitCode.failure
    }

    private static func showKey(_ desk: ReceiptDesk, _ invocation: Invocation) throws -> Int32 {
        let key = try desk.key()
        if invocation.has("all") {
            if invocation.has("pem") {
                throw CommandFailure(
                    "--all and --pem exclude each other", fix: "leave --pem out",
                    code: ExitCode.usage)
            }
            let keys = try desk.keys()
            if desk.asJSON {
                try JSONOutput.print(
                    KeyList(
                        keys: keys.spans.map(\.key.description), successions: keys.successions),
                    command: "receipt key", to: desk.output)
            } else {
                desk.output.write(keys.text)
            }
            return ExitCode.fine
        }
        if desk.asJSON {
            let both = ["key": key.description, "keyid": ReceiptEnvelope.keyID(of: key)]
            try JSONOutput.print(both, command: "receipt key", to: desk.output)
        } else if invocation.has("pem") {
            desk.output.write(ReceiptKey.pem(key))
        } else {
            desk.output.line(key.description)
        }
        return ExitCode.fine
    }
}

/// What `receipt key --all --json` prints.
private struct KeyList: Encodable {
    let keys: [String]
    let successions: [KeySuccession]
}

/// The log of receipts as a command reads it. Opens no secret.
struct ReceiptDesk {
    let output: Output
    let asJSON: Bool
    let state: ControllerState
    let now: Double

    init(_ invocation: Invocation, now: Double = Clocks.wall()) throws {
        let workspace = try Workspace(invocation, entersLab: false)
        output = workspace.output
        asJSON = workspace.asJSON
        state = try workspace.state(writing: false)
        self.now = now
    }

    /// The controller's public key.
    func key() throws -> PublicKey {
        guard let key = state.knownControllerKey else {
            throw CommandFailure(
                "this controller has no key yet", fix: "meshproof up, which makes one")
        }
        return key
    }

    /// All keys that the controller has signed receipts with.
    func keys() throws -> ReceiptKeys {
        guard let keys = try state.receiptKeys() else { return ReceiptKeys(try key()) }
        return keys
    }

    /// The number that an operand means.
    func number(_ operand: String) throws -> Int {
        guard let last = try state.lastReceipt()?.sequence else {
            throw CommandFailure(
                "there is no receipt yet", fix: "meshproof verify, which makes one")
        }
        if operand == "latest" { return last }
        guard let number = Int(operand) else {
            throw CommandFailure(
                "\(operand) is no receipt's number", fix: "meshproof receipt ls",
                code: ExitCode.usage)
        }
        guard (1...last).contains(number) else {
            throw CommandFailure(
                "there is no receipt \(number); they go from 1 to \(last)",
                fix: "meshproof receipt ls")
        }
        return number
    }

    /// The envelope of a receipt that the log counts.
    func envelope(_ number: Int) throws -> [UInt8] {
        guard let bytes = try state.receiptEnvelope(number) else {
            throw CommandFailure(
                "receipt \(number) is missing from the log",
                fix: "restore the controller's state from a backup, and find out who changed it")
        }
        return bytes
    }

    /// What is to be said of a receipt that the log counts.
    func check(_ number: Int) throws -> ReceiptCheck {
        ReceiptVerifier.check(
            try state.receiptEnvelope(number) ?? [], source: "receipt \(number)", keys: try keys(),
            now: now)
    }
}
