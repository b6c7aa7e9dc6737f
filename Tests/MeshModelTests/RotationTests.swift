import MeshModel
import Testing

@Suite("A rotation knows its next step from what was written down")
struct RotationTests {
    private static let plan = RotationPlan(
        id: "r", wireguard: .init(after: 9), ssh: .init(after: 3), drain: 60, began: 0)

    private func walk(
        _ begun: [RotationStep], isBack: Bool, _ plan: RotationPlan = Self.plan
    ) -> [RotationStep] {
        var progress = RotationProgress(begun.dropLast().map { .init($0, isDone: true) })
        if let last = begun.last { progress.note(last, isDone: false) }
        var taken: [RotationStep] = []
        while let step = progress.next(plan, isBack: isBack), taken.count < 20 {
            progress.note(step, isDone: true)
            taken.append(step)
        }
        return taken
    }

    @Test("forward it takes every step once, in order, from wherever it was cut short")
    func forward() {
        for count in 0...RotationStep.forward.count {
            let begun = Array(RotationStep.forward.prefix(count))
            let left = RotationStep.forward.dropFirst(max(0, count - 1))
            #expect(walk(begun, isBack: false) == Array(left))
        }
    }

    @Test("back it undoes no move that was not made, and ends off")
    func back() {
        #expect(walk([.prepare], isBack: true) == [.withdraw, .sweepBack, .cancel])
        #expect(walk([.prepare, .beside, .handshake], isBack: true).first == .withdraw)
        #expect(
            walk([.prepare, .beside, .handshake, .move], isBack: true)
                == [.moveBack, .restBack, .withdraw, .sweepBack, .cancel])
    }

    @Test("a way back that was begun is gone to its end, also where going on is asked for")
    func backStaysBack() {
        let begun: [RotationStep] = [.prepare, .beside, .handshake, .move, .moveBack]
        #expect(walk(begun, isBack: false).first == .moveBack)
        #expect(walk(begun, isBack: false).last == .cancel)
    }

    @Test("there is no way back once old keys may be wiped")
    func pointOfNoReturn() {
        var progress = RotationProgress()
        for step in RotationStep.forward {
            #expect(progress.canGoBack(Self.plan) == ([.sweep, .finish].contains(step) == false))
            progress.note(step, isDone: true)
        }
        #expect(!progress.canGoBack(Self.plan))
    }

    @Test("only SSH keys that stand on every node are shown")
    func sshLayouts() {
        let settled = KeyGenerations(wireguard: 9, ssh: 3)
        for steps in [RotationStep.forward, RotationStep.back] {
            var last: RotationLayout?
            for step in steps {
                let layout = Self.plan.layout(at: step, settled: settled)
                #expect([3, 4].contains(layout.ssh))
                if let last { #expect([last.ssh, last.sshBeside].contains(layout.ssh)) }
                last = layout
            }
        }
        #expect(Self.plan.layout(at: .retire, settled: settled).generations == [0])
        #expect(Self.plan.layout(at: .withdraw, settled: settled).generations == [9])
    }

    @Test("only what is rotated counts up, and 0 follows 9")
    func result() {
        let settled = KeyGenerations(wireguard: 9, ssh: 3, wireguardSince: 1, sshSince: 2)
        #expect(
            Self.plan.result(settled, at: 7)
                == KeyGenerations(wireguard: 0, ssh: 4, wireguardSince: 7, sshSince: 7))
        var younger = settled
        younger.nodesSince = ["nas": 5]
        younger.presharedSince = 6
        #expect(Self.plan.result(younger, at: 7).nodesSince == [:])
        #expect(Self.plan.result(younger, at: 7).presharedSince == nil)
        #expect(younger.oldestWireguard(of: ["nas"]) == 5)
        #expect(younger.oldestWireguard(of: ["nas", "gpu"]) == 1)
        var half = Self.plan
        half.ssh = nil
        #expect(half.result(settled, at: 7).ssh == 3)
        #expect(half.layout(at: .beside, settled: settled).sshBeside == nil)
    }

    @Test(
        "a schedule is read as it is written, and nothing else is",
        arguments: [
            ("every 30d", 2_592_000), ("every 1h", 3600), ("every 2w", 1_209_600),
            ("every 0d", nil),
            ("30d", nil), ("every 30", nil), ("every -1d", nil), ("every 99999999w", nil),
            ("every 1m", nil), ("every d", nil), ("", nil),
        ] as [(String, Int?)])
    func schedules(text: String, seconds: Int?) {
        let schedule = RotationSchedule(text)
        #expect(schedule?.seconds == seconds)
        if let schedule {
            #expect(schedule.description == text)
            let limit = Double(schedule.seconds)
            #expect(schedule.isDue(since: 100, now: 100 + limit))
            #expect(!schedule.isDue(since: 100, now: 99 + limit))
            #expect(schedule.isDue(since: nil, now: 0))
        }
    }
}
