import MeshModel
import Testing

@Suite("A node's facts are taken")
struct FactAdmissionTests {
    private let admission = FactAdmission(
        node: "gpu", meshID: "mesh", nonce: "nonce", bootID: "boot-gpu",
        began: JudgeRun.now - 61, ended: JudgeRun.now - 49)

    private func refusal(_ change: (inout NodeFacts) -> Void) -> String? {
        var facts = CleanRuns.wireguard().evidence.facts["gpu"] ?? CleanRuns.facts("gpu")
        change(&facts)
        let refusal = admission.refusal(of: facts)
        if let refusal { #expect(refusal.wereRefused && !refusal.fix.isEmpty) }
        return refusal?.message
    }

    @Test("where they are of this run")
    func taken() {
        #expect(refusal { _ in } == nil)
        #expect(admission.notes(on: CleanRuns.facts("gpu")).isEmpty)
    }

    @Test("with a note where the clock is a little off")
    func skew() {
        var facts = CleanRuns.facts("gpu")
        facts.began.wall += 200
        facts.ended.wall += 200
        #expect(admission.refusal(of: facts) == nil)
        #expect(admission.notes(on: facts) == ["the clock of gpu is off by about 199 s"])
    }

    @Test("and not where they are of another node, mesh, run or boot")
    func others() {
        #expect(refusal { $0.node = "store" }?.contains("store") == true)
        #expect(refusal { $0.meshID = "other" }?.contains("mesh") == true)
        #expect(refusal { $0.nonce = "old" }?.contains("run") == true)
        #expect(refusal { $0.bootID = "older" }?.contains("restarted") == true)
        var unknown = admission
        unknown.bootID = nil
        #expect(unknown.refusal(of: CleanRuns.facts("gpu")) != nil)
        var empty = admission
        empty.nonce = ""
        var facts = CleanRuns.facts("gpu")
        facts.nonce = ""
        #expect(empty.refusal(of: facts) != nil)
    }

    @Test("and not where their times are of another day, or do not cover the probes")
    func times() {
        #expect(refusal { $0.began.wall -= 400 } != nil)
        #expect(
            refusal {
                $0.began.wall += 400
                $0.ended.wall += 400
            } != nil)
        #expect(
            refusal {
                $0.began.wall -= 4000
                $0.ended.wall -= 4000
            } != nil)
        #expect(refusal { $0.ended.monotonic = $0.began.monotonic - 1 } != nil)
        #expect(refusal { $0.began.wall = .nan } != nil)
        let probe = JudgeParts.probe("x", .edge, "10.77.0.2:1", .tcp, .answered, from: "gpu")
        #expect(refusal { $0.probes = [probe] } == nil)
        #expect(
            refusal {
                $0.probes = [probe]
                $0.began.monotonic += 3
            } != nil)
        #expect(
            refusal {
                $0.probes = [probe]
                $0.probes?[0].ended.monotonic = .nan
            } != nil)
    }
}
