import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite("rotate replaces the keys of some nodes alone, and preshared keys in place")
struct RotateScopeTests {
    private let mesh: TestMesh

    init() throws {
        mesh = try TestMesh(["ant", "bee", "cat", "owl"])
        _ = try mesh.up()
    }

    /// Every key of the mesh by who has it: `ant` its own, `ant-bee` their preshared key.
    private func keys() throws -> [String: String] {
        var found: [String: String] = [:]
        for name in ["ant", "bee", "cat", "owl"] {
            let interfaces = try #require(mesh.machine(name).snapshot.document).interfaces
            #expect(interfaces.count == 1)
            for interface in interfaces {
                found[name] = interface.publicKey.description
                for peer in interface.peers {
                    let pair = Peering(name, peer.node)
                    found["\(pair.a)-\(pair.b)"] = peer.presharedKey?.rawValue
                }
            }
        }
        return found
    }

    private func changed(from old: [String: String], to new: [String: String]) -> [String] {
        old.keys.filter { old[$0] != new[$0] }.sorted()
    }

    private func begin(
        _ nodes: Set<String>, pairs: Set<Peering> = [], without: [String] = [],
        progress: any Progress = NoProgress()
    ) throws -> RotateReport {
        try mesh.rotate(
            .begin(
                wireguard: true, ssh: true, drain: 0,
                scope: PeeringScope(nodes: nodes, pairs: pairs)),
            without: without, progress: progress)
    }

    @Test("one node's key and the preshared keys with its peers are others, and nothing else")
    func node() throws {
        let before = try keys()
        let sent = try mesh.machine("owl").snapshot.document?.interfaces.first
        let report = try begin(["bee"])
        #expect(report.outcome == .rotated, "\(report.error ?? "")")
        #expect(report.steps.map(\.step) == RotationStep.forward + RotationStep.forward)
        let after = try keys()
        #expect(changed(from: before, to: after) == ["ant-bee", "bee", "bee-cat", "bee-owl"])
        let generations = try mesh.state(writing: false).generations
        #expect(generations.wireguard == 0 && generations.nodesSince.keys.sorted() == ["bee"])
        for name in ["ant", "bee", "cat", "owl"] {
            #expect(try mesh.machine(name).snapshot.generations == [0])
            #expect(try mesh.machine(name).snapshot.sshGenerations == [0])
        }
        let owl = try mesh.machine("owl").snapshot.document?.interfaces.first
        #expect(owl?.peers.first { $0.node == "ant" } == sent?.peers.first { $0.node == "ant" })
        #expect(try mesh.plan().hasChanges == false)
        #expect(try mesh.up().nodes.allSatisfy { $0.state == .unchanged })
        // And once more, and the whole mesh after it.
        #expect(try begin(["bee", "owl"]).outcome == .rotated)
        #expect(try mesh.rotate().outcome == .rotated)
        #expect(try mesh.state(writing: false).generations.nodesSince.isEmpty)
    }

    @Test("a peering stands for both its nodes; those that are no peers are not even contacted")
    func peering() throws {
        mesh.topology.mesh.peering = .hub("ant")
        #expect(try mesh.up().isGood)
        let before = try keys()
        try mesh.machine("owl").trouble(.unreachable)
        #expect(try begin(["cat"]).outcome == .rotated)
        try mesh.machine("owl").trouble()
        #expect(changed(from: before, to: try keys()) == ["ant-cat", "cat"])
        let report = try begin([], pairs: [Peering("cat", "ant")])
        #expect(report.outcome == .rotated, "\(report.error ?? "")")
        #expect(
            changed(from: before, to: try keys()) == [
                "ant", "ant-bee", "ant-cat", "ant-owl", "cat",
            ])
        let error = #expect(throws: ControllerError.self) {
            try begin([], pairs: [Peering("cat", "owl")])
        }
        #expect(error?.message.contains("no peers") == true)
    }

    @Test("it can be taken back on its way out, and goes on from wherever it stopped")
    func stops() throws {
        for step in [RotationStep.prepare, .beside, .handshake, .move, .rest, .retire, .sweep] {
            for isBack in [false, true] {
                let before = try keys()
                let cat = try mesh.machine("cat")
                let breaker = Breaker(at: step) { cat.trouble(.unreachable) }
                let report = try begin(["bee"], progress: breaker)
                #expect(report.outcome == .stopped, "\(step)")
                cat.trouble()
                guard isBack else {
                    let end = try mesh.rotate(.resume)
                    #expect(end.outcome == .rotated, "\(step): \(end.error ?? "")")
                    #expect(
                        changed(from: before, to: try keys())
                            == ["ant-bee", "bee", "bee-cat", "bee-owl"], "\(step)")
                    continue
                }
                // The step after `rest` may have wiped something already.
                if [.rest, .retire, .sweep].contains(step) {
                    #expect(throws: ControllerError.self) { try mesh.rotate(.abort) }
                    #expect(try mesh.rotate(.resume).outcome == .rotated)
                } else {
                    #expect(try mesh.rotate(.abort).outcome == .takenBack, "\(step)")
                    #expect(try keys() == before, "\(step)")
                    for name in ["ant", "bee", "cat", "owl"] {
                        #expect(try mesh.machine(name).snapshot.generations == [0])
                    }
                }
            }
        }
    }

    @Test("what cannot be is refused before anything is changed")
    func refuses() throws {
        func refusal(_ body: () throws -> RotateReport) -> String {
            #expect(throws: ControllerError.self, performing: { _ = try body() })?.description ?? ""
        }
        #expect(refusal { try begin(["bea"]) }.contains("did you mean bee?"))
        #expect(refusal { try begin(["bee"], without: ["bee"]) }.contains("would not be cut off"))
        #expect(refusal { try begin(["bee"], without: ["ant"]) }.contains("would not be cut off"))
        mesh.topology.nodes.append(Node(name: "phone", managed: false))
        mesh.topology.nodes[4].publicKey = PublicKey(bytes: [UInt8](repeating: 9, count: 32))
        #expect(try mesh.up().isGood)
        #expect(refusal { try begin(["phone"]) }.contains("is not managed"))
        #expect(refusal { try begin(["bee"]) }.contains("phone is not managed, and a peer of bee"))
        #expect(try begin(["bee"], without: ["phone"]).outcome == .rotated)
        #expect(try mesh.state(writing: false).openRotation == nil)
    }

    @Test("preshared keys are others, all or those that are meant, and every other key stays")
    func preshared() throws {
        var before = try keys()
        let all = try mesh.rotate(.beginPreshared())
        #expect(all.outcome == .rotated && all.preshared, "\(all.error ?? "")")
        #expect(all.steps.map(\.step) == [.swap, .renew, .sweep, .finish])
        var after = try keys()
        #expect(
            changed(from: before, to: after) == before.keys.filter { $0.contains("-") }.sorted())
        #expect(try mesh.state(writing: false).generations.presharedSince != nil)
        #expect(try mesh.up().nodes.allSatisfy { $0.state == .unchanged })
        before = after
        let scope = PeeringScope(nodes: ["owl"], pairs: [Peering("ant", "bee")])
        #expect(try mesh.rotate(.beginPreshared(scope: scope)).outcome == .rotated)
        after = try keys()
        #expect(changed(from: before, to: after) == ["ant-bee", "ant-owl", "bee-owl", "cat-owl"])
        #expect(try mesh.plan().hasChanges == false)
        #expect(
            try mesh.rotate().outcome == .rotated, "the number that they were kept under is free")
    }

    @Test("preshared keys can be taken back until the end, and go on from wherever they stopped")
    func presharedStops() throws {
        for step in [RotationStep.swap, .renew] {
            for isBack in [false, true] {
                let before = try keys()
                let cat = try mesh.machine("cat")
                let breaker = Breaker(at: step) { cat.trouble(.unreachable) }
                let report = try mesh.rotate(.beginPreshared(), progress: breaker)
                #expect(report.outcome == .stopped, "\(step)")
                cat.trouble()
                #expect(throws: ControllerError.self) { try mesh.up() }
                let end = try mesh.rotate(isBack ? .abort : .resume)
                #expect(end.outcome == (isBack ? .takenBack : .rotated), "\(end.error ?? "")")
                #expect(try (keys() == before) == isBack)
                #expect(try mesh.up().nodes.allSatisfy { $0.state == .unchanged })
            }
        }
    }
}
