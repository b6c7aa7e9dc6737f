import MeshModel
import Testing

@Suite("The judge is not taken in")
struct AdversarialTests {
    @Test("where clear text is seen", arguments: AdversarialCase.clearText)
    func clearText(_ one: AdversarialCase) { check(one) }

    @Test("where a way in is open", arguments: AdversarialCase.ways)
    func ways(_ one: AdversarialCase) { check(one) }

    @Test("where something is broken", arguments: AdversarialCase.broken)
    func broken(_ one: AdversarialCase) { check(one) }

    @Test("where evidence is missing", arguments: AdversarialCase.gaps)
    func gaps(_ one: AdversarialCase) { check(one) }

    private func check(_ one: AdversarialCase) {
        var run = one.clean()
        #expect(run.verdict.verdict == .encrypted, "the clean twin")
        let before = run.codes
        one.change(&run)
        let verdict = run.verdict
        #expect(one.verdicts.contains(verdict.verdict), "\(verdict)")
        #expect(one.codes.subtracting(run.codes).isEmpty, "\(run.codes)")
        #expect(one.codes.subtracting(before) == one.codes, "the clean twin says so as well")
        for finding in verdict.findings {
            #expect(!finding.message.isEmpty && !finding.why.isEmpty && !finding.fix.isEmpty)
            #expect(finding.consequences.allSatisfy { $0.severity != .critical })
        }
    }

    @Test("names what is to be mended first, and what follows beneath it")
    func folding() {
        var run = CleanRuns.wireguard()
        AdversarialCase.broken[0].change(&run)
        let first = run.verdict.findings.first
        #expect(first?.code == .interfaceDown)
        #expect(first?.consequences.map(\.code).contains(.noAnswer) == true)
        #expect(first?.consequences.map(\.code).contains(.routeBypass) == true)
        #expect(run.verdict.findings.count == 1)
        run.leak(at: "gpu")
        #expect(run.verdict.findings.map(\.code) == [.canaryOnWire, .interfaceDown])
    }

    @Test("by an idle telephone: it is unproven, not failed")
    func idle() {
        var run = CleanRuns.phone()
        run.peers("gpu") { $0[0].lastHandshake = 0 }
        run.change("gpu") { $0.sockets?[0].flows = [] }
        #expect(run.verdict.verdict == .unproven)
        #expect(run.verdict.level == .configured)
        let headline = run.verdict.findings.first
        #expect(headline?.code == .idlePeer)
        #expect(headline?.consequences.map(\.code).contains(.staleHandshake) == true)
    }

    @Test("and says how far the evidence goes: without outsiders, observed")
    func levels() {
        var run = CleanRuns.wireguard()
        run.evidence.facts["store"] = nil
        #expect(run.verdict.level == .observed)
        #expect(run.verdict.verdict == .encrypted)
        #expect(run.codes == [.noOutsider])
        run.capture("gpu") { $0.controls = [] }
        #expect(run.verdict.level == .live)
        run.change("edge") { $0.routing?.answers = [] }
        #expect(run.verdict.level == .configured)
        run.interface("gpu") { $0.isUp = false }
        #expect(run.verdict.level == .declared)
    }

    @Test("and judges without a canary where the protocol has no room for one")
    func noRoom() {
        var run = CleanRuns.wireguard()
        run.change("edge") { facts in
            facts.probes = facts.probes?.map { probe in
                var probe = probe
                probe.order.canary = ""
                return probe
            }
        }
        #expect(run.codes == [.canaryUnseen])
        #expect(run.verdict.level == .live)
        #expect(run.verdict.verdict == .encrypted)
    }

    @Test("while keys are rotated: one sound generation is enough, and the route must take it")
    func rotation() {
        var run = CleanRuns.rotating()
        run.interface("gpu") { interface in
            if interface.name == "mp1-lab" { interface.isUp = false }
        }
        #expect(run.verdict.verdict == .encrypted)
        #expect(run.codes == [.interfaceDown])
        run.change("edge") { facts in
            for place in facts.routing?.answers.indices ?? 0..<0 {
                facts.routing?.answers[place].interface = "mp1-lab"
            }
        }
        #expect(run.verdict.verdict == .unproven)
        #expect(run.codes.contains(.routeBypass))
    }
}
