import MeshModel
import TestSupport
import Testing

@Suite("A plan, carried out on a model kernel,")
struct PlanPropertyTests {
    @Test("leaves nothing to do, whatever was there and whatever is wanted", arguments: 0..<16)
    func converges(block: UInt64) {
        for seed in 0..<500 {
            var random = SplitMix(block * 1000 + UInt64(seed))
            let desired = PlanWorld.desired(&random)
            let before = PlanWorld.observed(&random)
            let steps = Differ.plan(
                mesh: PlanWorld.mesh, desired: desired, observed: before, now: PlanWorld.now)
            var model = ModelNode(before)
            model.apply(steps)
            #expect(model.failures.isEmpty, "seed \(block * 1000 + UInt64(seed))")
            let again = Differ.plan(
                mesh: PlanWorld.mesh, desired: desired, observed: model.node, now: PlanWorld.now)
            #expect(again.isEmpty, "seed \(block * 1000 + UInt64(seed))")
            expectForeignUntouched(before, model.node)
            expectAsWanted(desired, model.node)
        }
    }

    /// Interfaces and routes that are not this mesh's are the same before and after.
    private func expectForeignUntouched(_ before: ObservedNode, _ after: ObservedNode) {
        let foreign = { (node: ObservedNode) in
            node.interfaces.filter { !PlanWorld.ours.contains($0.name) }
        }
        #expect(foreign(before) == foreign(after))
        let routes = { (node: ObservedNode) in
            Set(
                node.routes.filter { route in
                    route.interface.map { !PlanWorld.ours.contains($0) } ?? false
                })
        }
        // A route of ours may take the place of one with the same destination and metric, never more.
        for lost in routes(before).subtracting(routes(after)) {
            #expect(
                after.routes.contains {
                    $0.destination == lost.destination && $0.metric == lost.metric
                })
        }
    }

    private func expectAsWanted(_ desired: [DesiredInterface], _ after: ObservedNode) {
        let ours = after.interfaces.filter { PlanWorld.ours.contains($0.name) }
        #expect(Set(ours.map(\.name)) == Set(desired.map(\.name)))
        for want in desired {
            let found = ours.first { $0.name == want.name }
            #expect(found?.isUp == true)
            #expect(found?.device?.publicKey == want.publicKey)
            #expect(found?.device?.listenPort == want.listenPort)
            let peers = Dictionary(
                uniqueKeysWithValues: (found?.device?.peers ?? []).map { ($0.publicKey, $0) })
            #expect(Set(peers.keys) == Set(want.peers.map(\.publicKey)))
            for peer in want.peers {
                #expect(Set(peers[peer.publicKey]?.allowedIPs ?? []) == Set(peer.allowedIPs))
                #expect(peers[peer.publicKey]?.presharedKey == peer.presharedKey)
                #expect(peers[peer.publicKey]?.keepalive == peer.keepalive ?? 0)
            }
        }
    }

    @Test("never leaves a wanted allowed IP with nobody, between no two steps", arguments: 0..<8)
    func neverOrphans(block: UInt64) {
        for seed in 0..<500 {
            var random = SplitMix(900_000 + block * 1000 + UInt64(seed))
            let desired = PlanWorld.desired(&random)
            let before = PlanWorld.observed(&random)
            var model = ModelNode(before)
            model.apply(
                Differ.plan(
                    mesh: PlanWorld.mesh, desired: desired, observed: before, now: PlanWorld.now))
            let deleted = before.interfaces.contains { $0.device == nil || $0.kind != .kernel }
            if deleted || desired.count != 1 { continue }
            let wanted = Set(desired.flatMap(\.peers).flatMap(\.allowedIPs))
            #expect(model.orphaned.isDisjoint(with: wanted), "seed \(seed)")
        }
    }

    @Test("can be stopped after any step and taken up again", arguments: 0..<4)
    func resumes(block: UInt64) {
        for seed in 0..<200 {
            var random = SplitMix(500_000 + block * 1000 + UInt64(seed))
            let desired = PlanWorld.desired(&random)
            let before = PlanWorld.observed(&random)
            let steps = Differ.plan(
                mesh: PlanWorld.mesh, desired: desired, observed: before, now: PlanWorld.now)
            var model = ModelNode(before)
            model.apply(Array(steps.prefix(Int.random(in: 0...steps.count, using: &random))))
            for _ in 0..<2 {
                model.apply(
                    Differ.plan(
                        mesh: PlanWorld.mesh, desired: desired, observed: model.node,
                        now: PlanWorld.now))
            }
            #expect(model.failures.isEmpty)
            expectAsWanted(desired, model.node)
        }
    }

    @Test("settles where a document gives one allowed IP to two peers: the last one has it")
    func duplicateAllowedIP() {
        let shared = PlanWorld.prefix("10.77.0.2/32")
        let peers = (1...2).map { number in
            DesiredPeer(
                node: "node\(number)", publicKey: PlanWorld.key(number), presharedKey: nil,
                endpoint: nil, allowedIPs: [shared], keepalive: nil)
        }
        let desired = DesiredInterface(
            name: "mp0-lab", generation: 0, publicKey: PlanWorld.key(200), listenPort: 51820,
            backend: .auto, mtu: nil, addresses: [], networks: [], peers: peers)
        for start in [[], [0], [1], [0, 1]] {
            var model = ModelNode(.bare)
            if !start.isEmpty {
                var first = desired
                first.peers = start.map { peers[$0] }
                model.apply(Differ.plan(mesh: "lab", desired: [first], observed: .bare, now: 0))
            }
            model.apply(
                Differ.plan(mesh: "lab", desired: [desired], observed: model.node, now: 0))
            let again = Differ.plan(mesh: "lab", desired: [desired], observed: model.node, now: 0)
            #expect(again.isEmpty)
            let owners = model.node.interfaces[0].device?.peers.filter { $0.allowedIPs == [shared] }
            #expect(owners?.map(\.publicKey) == [PlanWorld.key(2)])
        }
    }
}
