import LinuxSystem
import MeshModel
import Testing

@Suite(
    "Verify calls a clean mesh encrypted, and says what it saw", .serialized,
    .enabled(if: LabConditions.isRoot))
struct VerifyTests {
    @Test("with the guard every edge is enforced, without a finding")
    func clean() throws {
        let world = try VerifyLab("tverify", guarded: true)
        let capture = try Capture(world.lab)
        for _ in 0..<(LabConditions.isUnderEmulation ? 1 : 3) {
            let report = try world.verify("--level", "enforced")
            #expect(report.edges.map(\.id) == ["ant->web", "ant->db", "ant->note"])
            for edge in report.edges {
                #expect(edge.verdict == .encrypted && edge.level == .enforced, "\(edge.story)")
                #expect(edge.findings.isEmpty, "\(edge.story)")
            }
            try capture.catchUp()
            #expect(try capture.canaries(of: report).isEmpty)
            #expect(report.forbidden.map(\.state) == [.holds])
            #expect(report.nodes.allSatisfy { $0.facts != nil && $0.problem == nil })
        }
        try capture.end()
    }
}
