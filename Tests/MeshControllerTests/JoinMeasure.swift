import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Testing

@testable import MeshController

/// By hand, on a quiet machine: `MESHPROOF_MEASURE=1`. Times decide no test.
@Suite("How long refusals take", .serialized, .enabled(if: getenv("MESHPROOF_MEASURE") != nil))
struct JoinMeasure {
    @Test("medians of the four, taken in turn")
    func medians() throws {
        let mesh = try TestMesh(["hub"])
        let state = try mesh.state()
        // Each gate needs its token to stay known: one node's second token would make the first unknown.
        let fresh = try JoinRig(mesh, state: state)
        let used = try JoinRig(mesh, state: state, node: "used")
        guard case .welcome(_, _) = try used.enter(used.token) else { return }
        let late = try JoinRig(mesh, lasting: -1, state: state, node: "late")
        let wrongKey = try SecretBytes(random: 32)
        let unknownID = try JoinToken.newID()
        let cases: [(String, JoinRig, [UInt8], SecretBytes)] = [
            ("wrong", fresh, fresh.token.invitation.id, wrongKey),
            ("unknown", fresh, unknownID, wrongKey),
            ("used", used, used.token.invitation.id, try used.token.channelKey()),
            ("expired", late, late.token.invitation.id, try late.token.channelKey()),
        ]
        var times: [String: [Double]] = [:]
        for _ in 0..<500 {
            for (name, rig, id, key) in cases.shuffled() {
                let began = Clocks.monotonic()
                _ = try? rig.dial(id, key)
                times[name, default: []].append(Clocks.monotonic() - began)
            }
        }
        for (name, _, _, _) in cases {
            let sorted = (times[name] ?? []).sorted()
            let micro = [sorted.count / 4, sorted.count / 2, sorted.count * 3 / 4].map {
                Int(sorted[$0] * 1_000_000)
            }
            print("\(name): median \(micro[1]) us, quartiles \(micro[0]) and \(micro[2])")
        }
    }
}
