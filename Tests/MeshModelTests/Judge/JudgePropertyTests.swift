import MeshModel
import TestSupport
import Testing

@Suite("The judge's verdict, whatever the evidence,")
struct JudgePropertyTests {
    @Test("never gets better where evidence is taken away", arguments: 0..<8)
    func removal(block: UInt64) {
        for seed in 0..<200 {
            var random = SplitMix(block * 1000 + UInt64(seed))
            var run = RandomEvidence.run(&random)
            let damage = RandomEvidence.damage(&run, &random, upTo: 2)
            var before = run.verdict
            for _ in 0..<4 {
                let what = RandomEvidence.remove(from: &run, &random)
                let after = run.verdict
                let story: Comment =
                    "seed \(block * 1000 + UInt64(seed)): \(damage), without \(what)"
                #expect(after.level <= before.level, story)
                #expect(after.verdict != .encrypted || before.verdict == .encrypted, story)
                before = after
            }
        }
    }

    @Test("never gets better where something bad is added", arguments: 0..<8)
    func addition(block: UInt64) {
        for seed in 0..<200 {
            var random = SplitMix(500_000 + block * 1000 + UInt64(seed))
            var run = RandomEvidence.run(&random)
            if random.chance(2) { _ = RandomEvidence.remove(from: &run, &random) }
            var before = run.verdict
            for _ in 0..<3 {
                let damage = RandomEvidence.damage(&run, &random, upTo: 1)
                let after = run.verdict
                let story: Comment = "seed \(500_000 + block * 1000 + UInt64(seed)): \(damage)"
                #expect(after.level <= before.level, story)
                #expect(after.verdict <= before.verdict, story)
                before = after
            }
        }
    }

    @Test("does get worse by every single damage, and by the loss of every section")
    func everythingCounts() {
        for (name, damage) in RandomEvidence.damages {
            let isSeen = (RandomEvidence.cleans + RandomEvidence.open).contains { clean in
                var run = clean
                let before = run.verdict
                damage(&run)
                return run.verdict.verdict < before.verdict || run.verdict.level < before.level
            }
            #expect(isSeen, "\(name)")
        }
        for (name, section) in RandomEvidence.sections {
            var run = CleanRuns.wireguard()
            run.changeAll(section)
            #expect(run.verdict.level < .enforced, "\(name)")
            #expect(run.verdict.verdict != .encrypted || name == "agent", "\(name)")
        }
    }

    @Test("is unproven without evidence", arguments: Transport.allCases)
    func empty(via: Transport) {
        var run = CleanRuns.run(via)
        run.evidence.facts = [:]
        #expect(run.verdict.verdict == .unproven)
        #expect(run.verdict.level == .declared)
        #expect(run.verdict.findings.first?.code == .nodeSilent)
        run.edge.from.managed = false
        run.edge.to.managed = false
        #expect(run.verdict.verdict == .unproven)
        #expect(run.verdict.level == .declared)
    }

    @Test("is the same for the same evidence, in whatever order it came")
    func order() {
        for seed in 0..<200 {
            var random = SplitMix(900_000 + UInt64(seed))
            var run = RandomEvidence.run(&random)
            _ = RandomEvidence.damage(&run, &random, upTo: 2)
            let before = run.verdict
            run.changeAll { facts in
                facts.capture?.flows.reverse()
                facts.capture?.canaries.reverse()
                facts.capture?.devices.reverse()
                facts.routing?.answers.reverse()
                facts.probes?.reverse()
                facts.interfaces?.reverse()
                facts.links?.reverse()
            }
            let after = run.verdict
            #expect(after.verdict == before.verdict)
            #expect(after.level == before.level)
            #expect(Set(after.findings.map(\.code)) == Set(before.findings.map(\.code)))
        }
    }
}
