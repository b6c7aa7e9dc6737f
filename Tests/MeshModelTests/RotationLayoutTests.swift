import FoundationEssentials
import MeshModel
import TestSupport
import Testing

@Suite("At no moment of a rotation are two peers without a set of keys that both have")
struct RotationLayoutTests {
    private static let settled = KeyGenerations(wireguard: 9, ssh: 3)

    /// A mesh of `count` nodes; those whose number is in `phones` have no agent.
    private static func mesh(_ count: Int, phones: Set<Int> = [], hub: Int? = nil) -> Topology {
        Topology(
            mesh: Mesh(
                name: "lab", networks: [], peering: hub.map { .hub("n\($0)") } ?? .full),
            nodes: (0..<count).map { Node(name: "n\($0)", managed: !phones.contains($0)) })
    }

    private static func plan(
        scope: PeeringScope? = nil, grace: RotationPlan.Grace? = nil
    ) -> RotationPlan {
        RotationPlan(
            id: "r", wireguard: .init(after: 9), scope: scope, grace: grace, began: 0)
    }

    /// The layouts of a whole rotation in the order in which they are taken, both legs.
    private static func walk(_ plan: RotationPlan) -> [RotationLayout] {
        var layouts = plan.forward.map { plan.layout(at: $0, settled: settled) }
        if let home = plan.next {
            layouts += home.forward.map { home.layout(at: $0, settled: settled) }
        }
        return layouts
    }

    /// The sets by which a node sends to a peer and takes packets from it, the one that it sends by first.
    private static func sets(
        _ layout: RotationLayout, _ node: String, _ pair: Peering, _ topology: Topology
    ) -> [Int] {
        layout.sets.filter {
            $0.carries(pair) && layout.holders(of: $0.generation, in: topology).contains(node)
        }.map(\.generation)
    }

    /// Between two steps some nodes have taken the second and some have not: whatever the one end sends by must be there
    /// at the other end.
    private static func expectNoGap(
        _ steps: [RotationLayout], _ topology: Topology, _ what: Comment
    ) {
        for (before, after) in zip(steps, steps.dropFirst()) {
            for pair in topology.peerings() {
                for (near, far) in [(pair.a, pair.b), (pair.b, pair.a)] {
                    for (own, other) in [(before, after), (after, before), (after, after)] {
                        let sends = sets(own, near, pair, topology).first
                        #expect(sends != nil, what)
                        #expect(sends.map(sets(other, far, pair, topology).contains) == true, what)
                    }
                }
            }
        }
    }

    @Test("in every scope, at every step, forward and back", arguments: 0..<60 as Range<UInt64>)
    func noGap(seed: UInt64) {
        var random = SplitMix(seed)
        let count = Int.random(in: 2...6, using: &random)
        let hub = Bool.random(using: &random) ? Int.random(in: 0..<count, using: &random) : nil
        let topology = Self.mesh(count, hub: hub)
        let chosen = Set((0..<count).filter { _ in Bool.random(using: &random) }.map { "n\($0)" })
        let scope: PeeringScope? = chosen.isEmpty ? nil : PeeringScope(nodes: chosen)
        let plan = Self.plan(scope: scope)
        let steps = Self.walk(plan)
        Self.expectNoGap(steps, topology, "\(seed)")
        #expect(steps.last?.generations == [scope == nil ? 0 : 9])
        // The first leg taken back after any of its steps.
        for length in 1..<plan.forward.count where !plan.forward[..<length].contains(.retire) {
            let taken = plan.forward.prefix(length)
            var progress = RotationProgress(taken.map { .init($0, isDone: true) })
            var back: [RotationStep] = []
            while let step = progress.next(plan, isBack: true) {
                progress.note(step, isDone: true)
                back.append(step)
            }
            let layouts = (taken + back).map { plan.layout(at: $0, settled: Self.settled) }
            Self.expectNoGap(layouts, topology, "\(seed) back after \(length)")
            #expect(layouts.last?.generations == [9] && back.last == .cancel)
        }
    }

    @Test(
        "where some nodes' keys are replaced, nobody else's peering is touched",
        arguments: 0..<30 as Range<UInt64>)
    func untouched(seed: UInt64) {
        var random = SplitMix(seed)
        let topology = Self.mesh(5)
        let chosen = Set((0..<5).filter { _ in Int.random(in: 0..<3, using: &random) == 0 })
        let scope = PeeringScope(nodes: Set(chosen.map { "n\($0)" }))
        let plan = Self.plan(scope: scope)
        for layout in Self.walk(plan) {
            for pair in topology.peerings() where !scope.touches(pair) {
                #expect(Self.sets(layout, pair.a, pair, topology) == [9])
            }
            // The key of a node that is not meant is never taken away, also where it has no other peer.
            let kept = topology.managedNames.subtracting(scope.nodes)
            #expect(layout.holders(of: 9, in: topology).isSuperset(of: kept))
        }
        guard let home = plan.next else {
            Issue.record("there is no way home")
            return
        }
        // Out: the nodes that are meant, with their peers. Home: they alone.
        #expect(
            plan.makers(in: topology, settled: Self.settled)
                == (chosen.isEmpty ? [] : topology.managedNames))
        #expect(home.makers(in: topology, settled: Self.settled) == scope.nodes)
        #expect(home.next == nil && !RotationProgress().canGoBack(home))
        let result = home.result(plan.result(Self.settled, at: 5), at: 7)
        #expect(result.wireguard == 9 && result.nodesSince.keys.sorted() == scope.nodes.sorted())
    }

    @Test("a phone finds its old set until it has the new one, and the new one from `beside` on")
    func grace() {
        let topology = Self.mesh(4, phones: [2, 3])
        let grace = RotationPlan.Grace(seconds: 9, waiting: ["n3", "n2"])
        var plan = Self.plan(grace: grace)
        #expect(plan.forward.contains(.grace))
        let old = Peering("n0", "n2")
        for step in plan.forward.prefix(while: { $0 != .retire }).dropFirst() {
            let layout = plan.layout(at: step, settled: Self.settled)
            #expect(Set(Self.sets(layout, "n0", old, topology)) == [9, 0], "\(step)")
            #expect(Self.sets(layout, "n1", Peering("n0", "n1"), topology).first != nil)
        }
        let waiting = plan.layout(at: .grace, settled: Self.settled)
        #expect(waiting.wireguard == 0)
        #expect(Self.sets(waiting, "n0", Peering("n0", "n1"), topology) == [0])
        plan.grace?.waiting = ["n3"]
        let half = plan.layout(at: .grace, settled: Self.settled)
        #expect(Self.sets(half, "n0", old, topology) == [0])
        #expect(Self.sets(half, "n0", Peering("n0", "n3"), topology) == [0, 9])
        plan.grace?.waiting = []
        #expect(
            plan.layout(at: .grace, settled: Self.settled)
                == plan.layout(at: .retire, settled: Self.settled))
        var progress = RotationProgress()
        for step in plan.forward {
            #expect(progress.isInGrace == false)
            progress.note(step, isDone: false)
            #expect(progress.isInGrace == (step == .grace))
            progress.note(step, isDone: true)
        }
    }

    @Test(
        "preshared keys are changed in place: sets stay, and only the pairs that are meant have others"
    )
    func preshared() throws {
        let scope = PeeringScope(nodes: ["n0"], pairs: [Peering("n2", "n1")])
        let plan = RotationPlan(
            id: "r", preshared: .init(after: 9), scope: scope, began: 0)
        #expect(plan.forward == [.swap, .renew, .sweep, .finish])
        for step in plan.forward + [.swapBack, .renewBack, .sweepBack, .cancel] {
            let layout = plan.layout(at: step, settled: Self.settled)
            #expect(layout.generations == [9])
            let isNew = plan.forward.contains(step)
            #expect(layout.presharedSlot(of: Peering("n0", "n3"), generation: 9) == (isNew ? 0 : 9))
            #expect(layout.presharedSlot(of: Peering("n1", "n2"), generation: 9) == (isNew ? 0 : 9))
            #expect(layout.presharedSlot(of: Peering("n1", "n3"), generation: 9) == 9)
        }
        var progress = RotationProgress()
        #expect(progress.next(plan, isBack: true) == .sweepBack)
        progress.note(.swap, isDone: false)
        #expect(progress.next(plan, isBack: true) == .swapBack)
        #expect(progress.canGoBack(plan))
        progress.note(.finish, isDone: false)
        #expect(!progress.canGoBack(plan))
        #expect(plan.next == nil)
        let bytes = try JSONEncoder().encode(plan)
        #expect(try JSONDecoder().decode(RotationPlan.self, from: bytes) == plan)
    }

    @Test("what an older version has written down is read")
    func olderRecords() throws {
        let plan = try JSONDecoder().decode(
            RotationPlan.self,
            from: Data(
                #"{"id":"r","wireguard":{"from":0,"to":1},"without":[],"drain":60,"began":1}"#.utf8)
        )
        #expect(plan.forward == RotationStep.forward && plan.scope == nil)
        let keys = try JSONDecoder().decode(
            KeyGenerations.self, from: Data(#"{"wireguard":1,"ssh":0,"sshSince":4}"#.utf8))
        #expect(keys == KeyGenerations(wireguard: 1, ssh: 0, sshSince: 4))
    }
}
