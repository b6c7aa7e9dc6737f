import MeshModel
import Testing

@Suite("A forbid line")
struct ForbidTests {
    private func verdict(_ outcomes: [ProbeFact.Outcome]) -> ForbidVerdict {
        let probes = outcomes.enumerated().map { place, outcome in
            var probe = JudgeParts.probe(
                "", .forbidden, "10.77.0.2:\(5432 + place)", .connect, outcome, from: "edge")
            probe.order.edge = nil
            probe.order.forbid = "phone->postgres"
            return probe
        }
        let run = CleanRuns.wireguard()
        return Judge.judge(
            forbid: "phone->postgres", probes: probes, evidence: run.evidence, now: JudgeRun.now)
    }

    @Test("holds where every attempt led nowhere")
    func holds() {
        let verdict = verdict([.silent, .closed, .unreachable])
        #expect(verdict.state == .holds)
        #expect(verdict.findings.isEmpty)
    }

    @Test(
        "is broken by any connection", arguments: [ProbeFact.Outcome.answered, .refused, .garbled])
    func broken(outcome: ProbeFact.Outcome) {
        let verdict = verdict([.silent, outcome])
        #expect(verdict.state == .broken)
        #expect(verdict.findings.map(\.code) == [.forbiddenReachable])
        #expect(verdict.findings.map(\.severity) == [.critical])
    }

    @Test("is untested where nobody tried, or not all of it")
    func untested() {
        #expect(verdict([]).state == .untested)
        #expect(verdict([.silent, .failed]).state == .untested)
    }

    @Test("is guarded where nobody can try it, and the node's guard is as it should be")
    func guarded() {
        var run = CleanRuns.wireguard()
        let to = run.edge.to.node
        func state() -> ForbidVerdict.State {
            Judge.judge(
                forbid: "phone->web", probes: [], guardedAt: to, evidence: run.evidence,
                now: JudgeRun.now
            ).state
        }
        #expect(state() == .guarded)
        run.change(to) { $0.agent?.guard?.differences = ["no rule for 8080"] }
        #expect(state() == .untested)
        run.change(to) { $0.agent = nil }
        #expect(state() == .untested)
    }

    @Test("is broken by what another vantage saw as well")
    func gathered() {
        var run = CleanRuns.wireguard()
        var probe = JudgeParts.probe(
            "", .forbidden, "10.77.0.2:1", .connect, .answered, from: "store")
        probe.order.forbid = "phone->postgres"
        run.change("store") { $0.probes = [probe] }
        let verdict = Judge.judge(
            forbid: "phone->postgres", probes: [], evidence: run.evidence, now: JudgeRun.now)
        #expect(verdict.state == .broken)
    }
}
