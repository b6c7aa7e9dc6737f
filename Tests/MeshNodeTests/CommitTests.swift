import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("Commit, confirm and rollback")
struct CommitTests {
    @Test("bring a document into force, and the kernel with it")
    func inForce() throws {
        let world = try TestWorld()
        guard case .steps(let preview) = try world.stage(try world.document(1)) else {
            Issue.record("not staged")
            return
        }
        #expect(world.kernel.model.node.interfaces.isEmpty, "staging changes nothing")
        guard case .steps(let taken) = world.ask(.commit(revision: 1, window: 60)) else {
            Issue.record("not committed")
            return
        }
        #expect(taken == preview)
        #expect(try world.hello().unconfirmed == 1)
        #expect(try world.hello().revision == 0)
        #expect(world.ask(.confirm(revision: 1), from: 2) == .done)
        let hello = try world.hello()
        #expect(hello.revision == 1 && hello.unconfirmed == nil && hello.highestRevision == 1)
        #expect(try world.report().drift.isEmpty)
        #expect(world.addresses == ["10.77.0.1/32"])
        #expect(world.kernel.model.failures.isEmpty)
    }

    @Test("take no confirmation over the connection that committed")
    func sameConnection() throws {
        let world = try TestWorld()
        try world.stage(try world.document(1))
        world.ask(.commit(revision: 1, window: 60), from: 7)
        #expect(world.ask(.confirm(revision: 1), from: 7).refusal == .failed)
        #expect(try world.hello().unconfirmed == 1)
        #expect(world.ask(.confirm(revision: 1), from: 8) == .done)
    }

    @Test("go back on their own when nobody confirms within the window, and not before")
    func window() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        try world.stage(try world.document(2, address: "10.77.0.9/32"))
        world.ask(.commit(revision: 2, window: 60))
        #expect(world.addresses == ["10.77.0.9/32"])
        world.pass(59.9)
        #expect(world.addresses == ["10.77.0.9/32"])
        #expect(world.core.nextWake <= world.now.monotonic + 0.2)
        world.pass(0.2)
        #expect(world.addresses == ["10.77.0.1/32"])
        let hello = try world.hello()
        #expect(hello.rolledBack?.revision == 2)
        #expect(hello.revision == 1 && hello.highestRevision == 2)
        #expect(world.ask(.confirm(revision: 2), from: 9).refusal == .notStaged)
        #expect(try world.report().drift.isEmpty)
    }

    @Test("of the very first document remove what it made, and keep keys and enrolment")
    func firstDocument() throws {
        let world = try TestWorld()
        let key = try world.hello().keys[0]
        try world.stage(try world.document(1))
        world.ask(.commit(revision: 1, window: 60))
        #expect(world.ask(.rollback(revision: 1)) == .done)
        #expect(world.kernel.model.node.interfaces.isEmpty)
        #expect(world.kernel.model.node.routes.isEmpty)
        #expect(try world.hello().keys[0] == key)
        #expect(world.keys.presharedKeyIDs().isEmpty, "no document names it any more")
        try world.install(try world.document(2))
        #expect(try world.hello().revision == 2)
    }

    @Test("survive the agent's death within the window")
    func agentDies() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        try world.stage(try world.document(2, address: "10.77.0.9/32"))
        world.ask(.commit(revision: 2, window: 60))
        let steps = world.kernel.applied.count
        try world.restart()
        #expect(world.kernel.applied.count == steps, "starting again touches nothing")
        #expect(try world.hello().unconfirmed == 2)
        // The old connection is gone with the agent, so any connection is a new one.
        #expect(world.ask(.confirm(revision: 2), from: 1) == .done)
    }

    @Test(
        "go back where the agent was dead past the window, and where the machine was started again")
    func deadPastWindow() throws {
        for reboot in [false, true] {
            let world = try TestWorld()
            try world.install(try world.document(1))
            try world.stage(try world.document(2, address: "10.77.0.9/32"))
            world.ask(.commit(revision: 2, window: 60))
            if !reboot { world.now.monotonic += 61 }
            try world.restart(afterReboot: reboot)
            #expect(world.addresses == ["10.77.0.1/32"])
            #expect(try world.hello().rolledBack?.revision == 2)
        }
    }

    @Test("go back at once where a step fails, and say which and why")
    func failingStep() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let before = world.kernel.model.node
        try world.stage(
            try world.document(2, address: "10.77.0.9/32") { $0.interfaces[0].listenPort = 9 })
        world.kernel.failing = "add address 10.77.0.9/32"
        guard case .refused(let error) = world.ask(.commit(revision: 2, window: 60)) else {
            Issue.record("not refused")
            return
        }
        #expect(error.code == .applyFailed)
        #expect(error.message.contains("add address 10.77.0.9/32"))
        #expect(error.message.contains("Operation not permitted"))
        #expect(error.message.contains("back at revision 1"))
        #expect(world.kernel.model.node == before)
        #expect(try world.hello().unconfirmed == nil)
    }

    @Test("can be asked for twice")
    func twice() throws {
        let world = try TestWorld()
        try world.stage(try world.document(1))
        world.ask(.commit(revision: 1, window: 60), from: 1)
        #expect(world.ask(.commit(revision: 1, window: 60), from: 3) == .steps([]))
        #expect(world.ask(.confirm(revision: 1), from: 3).refusal == .failed)
        #expect(world.ask(.confirm(revision: 1), from: 4) == .done)
        #expect(world.ask(.confirm(revision: 1), from: 4) == .done)
        try world.stage(try world.document(2))
        world.ask(.commit(revision: 2, window: 60), from: 5)
        #expect(world.ask(.rollback(revision: 2), from: 5) == .done)
        #expect(world.ask(.rollback(revision: 2), from: 5) == .done)
    }

    @Test("refuse what does not fit the state")
    func misfits() throws {
        let world = try TestWorld()
        #expect(world.ask(.commit(revision: 1, window: 60)).refusal == .notStaged)
        #expect(world.ask(.confirm(revision: 1)).refusal == .notStaged)
        #expect(world.ask(.rollback(revision: 1)).refusal == .notStaged)
        try world.stage(try world.document(1))
        #expect(world.ask(.commit(revision: 2, window: 60)).refusal == .notStaged)
        for window in [0, -1, 601, .infinity, .nan] {
            #expect(world.ask(.commit(revision: 1, window: window)).refusal == .invalidDocument)
        }
        world.ask(.commit(revision: 1, window: 600))
        try world.stage(try world.document(2))
        #expect(world.ask(.commit(revision: 2, window: 60)).refusal == .busy)
        #expect(world.ask(.confirm(revision: 2), from: 2).refusal == .notStaged)
        #expect(world.ask(.rollback(revision: 2)).refusal == .notStaged)
    }

    @Test("wipe the key of a generation that is no longer in force, once it is confirmed")
    func generations() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        guard case .key(let next) = world.ask(.prepareKey(generation: 1)) else {
            Issue.record("no key")
            return
        }
        #expect(world.ask(.prepareKey(generation: 1)) == .key(next))
        var second: DesiredInterface?
        let both = try world.document(2) { document in
            var interface = document.interfaces[0]
            interface.name = "mp1-lab"
            interface.generation = 1
            interface.publicKey = next
            interface.listenPort = 51821
            second = interface
            document.interfaces.append(interface)
        }
        try world.install(both)
        #expect(try world.hello().keys.keys.sorted() == [0, 1])
        try world.install(try world.document(3) { $0.interfaces = [second].compactMap(\.self) })
        #expect(try world.hello().keys == [1: next])
        #expect(world.kernel.model.node.interfaces.map(\.name) == ["mp1-lab"])
        #expect(world.ask(.prepareKey(generation: 10)).refusal == .failed)
    }
}
