import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "What somebody changes by hand is planned, mended and logged", .serialized,
    .enabled(if: LabConditions.isRoot))
struct DriftTests {
    /// What is done by hand on `ant`, and how the plan's only step begins.
    struct Tampering: CustomTestStringConvertible, Sendable {
        let what: String
        let command: String
        let step: @Sendable (Change) -> Bool
        var testDescription: String { what }
    }

    @Test(
        "a peer, route or address that is removed or added by hand is the plan's one step, and is mended within 30 s"
    )
    func mends() throws {
        let lab = try LabMesh("tdrift", hosts: ["ant", "bee"])
        try lab.up()
        let interface = "mp0-\(lab.mesh)"
        let stray = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="
        let table = [
            Tampering(
                what: "route removed", command: "ip route del 10.88.0.2/32",
                step: {
                    if case .setRoute(let route) = $0 {
                        "\(route.destination)" == "10.88.0.2/32"
                    } else {
                        false
                    }
                }),
            Tampering(
                what: "route added",
                command: "ip route add 10.88.0.77/32 dev \(interface) proto 109",
                step: {
                    if case .removeRoute(let route) = $0 {
                        "\(route.destination)" == "10.88.0.77/32"
                    } else {
                        false
                    }
                }),
            Tampering(
                what: "address added", command: "ip addr add 10.88.0.99/32 dev \(interface)",
                step: {
                    if case .removeAddress(_, let address) = $0 {
                        "\(address)" == "10.88.0.99/32"
                    } else {
                        false
                    }
                }),
            Tampering(
                what: "peer removed",
                command: "wg set \(interface) peer $(wg show \(interface) peers) remove",
                step: {
                    if case .addPeer(_, let peer, _) = $0 { peer.node == "bee" } else { false }
                }),
            Tampering(
                what: "peer added",
                command: "wg set \(interface) peer \(stray) allowed-ips 10.88.0.200/32",
                step: {
                    if case .removePeer(_, let key) = $0 { key.description == stray } else { false }
                }),
        ]
        for tampering in table {
            var (plan, code) = try tamper(lab, tampering)
            // The agent's own sweep may have come between the two commands.
            for _ in 0..<6 where code == .code(0) { (plan, code) = try tamper(lab, tampering) }
            let steps = plan.nodes.flatMap(\.steps)
            #expect(code == .code(2), "\(tampering.what)")
            #expect(
                steps.count == 1 && steps.allSatisfy { tampering.step($0.change) },
                "\(tampering.what): \(steps)")
            let started = Clocks.monotonic()
            let mended = try LabMesh.wait(80) { try lab.plan().status == .code(0) }
            #expect(mended, "\(tampering.what) was not mended")
            #expect(
                Clocks.monotonic() - started < (LabConditions.isUnderEmulation ? 60 : 30),
                "\(tampering.what)")
        }
        let repairs =
            try lab.status().report.nodes.first { $0.node == "ant" }?.report?.repairs ?? []
        #expect(repairs.count >= table.count)
        #expect(repairs.allSatisfy { !$0.step.reason.isEmpty && $0.failure == nil })
        let ping = try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2")
        #expect(ping.status.isSuccess)
    }

    private func tamper(
        _ lab: LabMesh, _ tampering: Tampering
    ) throws -> (PlanReport, LinuxSystem.ExitStatus) {
        let done = try lab.on("ant", "sh", "-c", tampering.command)
        try #require(done.status.isSuccess, "\(tampering.what): \(done.errorText)")
        return try lab.plan()
    }

    @Test("an address removed by hand comes back, with the routes that went with it")
    func addressRemoved() throws {
        let lab = try LabMesh("taddr", hosts: ["ant", "bee"])
        try lab.up()
        let removal = Tampering(
            what: "address removed", command: "ip addr del 10.88.0.1/32 dev mp0-\(lab.mesh)",
            step: { _ in true })
        var (plan, code) = try tamper(lab, removal)
        for _ in 0..<6 where code == .code(0) { (plan, code) = try tamper(lab, removal) }
        #expect(code == .code(2))
        #expect(
            plan.nodes.flatMap(\.steps).contains { step in
                if case .addAddress(_, let address) = step.change {
                    "\(address)" == "10.88.0.1/32"
                } else {
                    false
                }
            })
        #expect(
            try LabMesh.wait(LabConditions.isUnderEmulation ? 60 : 30) {
                try lab.on("ant", "ping", "-c", "1", "-W", "1", "10.88.0.2").status.isSuccess
            })
        #expect(try lab.plan().status == .code(0))
    }
}
