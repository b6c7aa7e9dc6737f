import MeshController
import MeshModel

/// What the options of `rotate` ask for.
struct RotateWish {
    let wish: RotateRun.Wish

    /// *Throws:* ``CommandFailure`` for options that do not go together.
    init(_ invocation: Invocation) throws {
        let kinds = ["wireguard", "ssh", "psk", "node", "peering"].filter(invocation.has)
        let others = ["resume", "abort", "due", "timer"].filter(invocation.has)
        if others.count > 1 || !others.isEmpty && !kinds.isEmpty {
            throw CommandFailure(
                "--\(others[0]) says by itself which keys it is about",
                fix: "give it alone", code: ExitCode.usage)
        }
        let drain = try invocation.seconds("drain", 60, in: 0...600)
        let grace = try invocation.span("grace", RotateRun.standardGrace)
        switch others.first {
        case "resume": wish = .resume
        case "abort": wish = .abort
        case "due", "timer": wish = .beginDue(drain: drain, grace: grace)
        default:
            let scope = try Self.scope(invocation)
            try Self.check(invocation, hasScope: scope != nil)
            if invocation.has("psk") {
                wish = .beginPreshared(scope: scope)
                return
            }
            let isNamed = invocation.has("wireguard") || invocation.has("ssh")
            wish = .begin(
                wireguard: !isNamed || invocation.has("wireguard"),
                ssh: !isNamed || invocation.has("ssh"), drain: drain, scope: scope, grace: grace)
        }
    }

    private static func scope(_ invocation: Invocation) throws -> PeeringScope? {
        let nodes = invocation.lists["node"] ?? []
        let pairs = try (invocation.lists["peering"] ?? []).map { text in
            let names = text.split(separator: ",", omittingEmptySubsequences: false)
            guard names.count == 2, !names[0].isEmpty, !names[1].isEmpty, names[0] != names[1]
            else {
                throw CommandFailure(
                    "--peering \(text): want two nodes", fix: "meshproof rotate --peering ant,bee",
                    code: ExitCode.usage)
            }
            return Peering(String(names[0]), String(names[1]))
        }
        if nodes.isEmpty && pairs.isEmpty { return nil }
        return PeeringScope(nodes: Set(nodes), pairs: Set(pairs))
    }

    private static func check(_ invocation: Invocation, hasScope: Bool) throws {
        func refuse(_ message: String, _ fix: String) throws {
            throw CommandFailure(message, fix: fix, code: ExitCode.usage)
        }
        if invocation.has("psk"),
            let other = ["wireguard", "ssh"].first(where: { invocation.has($0) })
        {
            try refuse(
                "--psk changes preshared keys in place, and --\(other) does not go with it",
                other == "wireguard"
                    ? "leave --psk out: with new WireGuard keys come new preshared keys"
                    : "give each in a call of its own")
        }
        if hasScope && invocation.has("ssh") {
            try refuse(
                "the tunnels' SSH keys are replaced on the whole mesh together",
                "meshproof rotate --ssh, without --node and --peering")
        }
        let hasGrace = invocation.has("grace")
        if hasGrace && (hasScope || invocation.has("psk")) {
            try refuse(
                "no phone is concerned, so there is no grace period", "leave --grace out")
        }
        if hasGrace && invocation.has("ssh") && !invocation.has("wireguard") {
            try refuse("phones have no SSH keys, so there is no grace period", "leave --grace out")
        }
    }
}

extension Invocation {
    /// A span of time as topologies write it: `12h`, `7d`, `2w`, or `0`; at most a year. *Units:* seconds.
    func span(_ name: String, _ standard: Double) throws -> Double {
        guard let text = values[name] else { return standard }
        if text == "0" { return 0 }
        guard let span = RotationSchedule("every \(text)"), span.seconds <= 31_622_400 else {
            throw CommandFailure(
                "--\(name) \(text): want hours, days or weeks, at most a year",
                fix: "for instance --\(name) 7d, or --\(name) 0", code: ExitCode.usage)
        }
        return Double(span.seconds)
    }
}
