import MeshModel
import Testing

/// Every way for clear text between two hosts, with real traffic, against what crossed the bridge.
@Suite(
    "Verify sees clear text whatever way it takes, and says closed what is closed", .serialized,
    .enabled(if: LabConditions.isRoot))
struct VerifyClearTests {
    static let cases =
        ClearCase.clients + ClearCase.routes + ClearCase.rewriting + ClearCase.mesh

    @Test("with the guard off: exposed, down or unproven, and encrypted again without it")
    func open() throws { try check("tclearoff", guarded: false) }

    @Test("with the guard on: what it closes is down or encrypted, and the rest is not hidden")
    func guarded() throws { try check("tclearon", guarded: true) }

    private func check(_ mesh: String, guarded: Bool) throws {
        let lab = try ClearLab(mesh, guarded: guarded)
        for one in Self.cases { try lab.check(one) }
    }
}
