import MeshModel
import Testing

/// Every way for clear text between two hosts, with real traffic, against what crossed the bridge.
///
/// The labs of the two tests stand side by side: most of a run is waiting.
@Suite(
    "Verify sees clear text whatever way it takes, and says closed what is closed",
    .enabled(if: LabConditions.isRoot))
struct VerifyClearTests {
    static let cases =
        ClearCase.clients + ClearCase.routes + ClearCase.rewriting + ClearCase.mesh

    @Test(
        "with the guard off it is exposed, down or unproven; with it on, what it closes is shown closed; and afterwards encrypted again",
        arguments: [false, true])
    func sees(isGuarded: Bool) throws {
        let lab = try ClearLab(isGuarded ? "tclearon" : "tclearoff", guarded: isGuarded)
        for one in Self.cases { try lab.check(one) }
    }
}
