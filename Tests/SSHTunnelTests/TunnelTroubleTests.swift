import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel
import Testing

@Suite("What is wrong with a tunnel is told, and mended where time mends it")
struct TunnelTroubleTests {
    @Test("A target where nothing listens is told, and the caller is not left in doubt")
    func refusedTarget() throws {
        let rig = try TunnelRig()
        rig.service.stop()
        let socket = try rig.connect()
        let error = #expect(throws: SystemError.self) { try socket.receive(1) }
        #expect(error?.errno == ECONNRESET)
        let status = try rig.awaitStatus("refused") { $0.lastError != nil && $0.connections == 0 }
        #expect(status.lastError?.code == .targetRefused)
        #expect(status.lastError?.message.contains("\(rig.service.end) on b") == true)
        #expect(status.state == .up)
    }

    @Test("A target that the server forbids is told as such")
    func forbiddenTarget() throws {
        let rig = try TunnelRig(extra: "PermitOpen 127.0.0.1:1")
        let error = #expect(throws: SystemError.self) { try rig.connect().receive(1) }
        #expect(error?.errno == ECONNRESET)
        let status = try rig.awaitStatus("forbidden") { $0.lastError != nil }
        #expect(status.lastError?.code == .targetForbidden)
    }

    @Test("A session that is older than what its key may reach gives way to one that is not")
    func laterGrant() throws {
        let rig = try TunnelRig { _, server in
            let keys = "\(server.folder)/authorized_keys"
            let line = Array("permitopen=\"127.0.0.1:1\" ".utf8) + (try Files.read(keys))
            try Files.replace(keys, with: line)
        }
        #expect(throws: SystemError.self) { try rig.connect().receive(1) }
        try rig.awaitStatus("forbidden") { $0.lastError?.code == .targetForbidden }
        let keys = "\(rig.server.folder)/authorized_keys"
        try Files.replace(keys, with: try Files.read("\(rig.server.folder)/client.pub"))
        // Nobody tells the tunnel: a caller who is refused is what makes it log in again.
        let end = Clocks.monotonic() + 30
        var answer: [UInt8] = []
        while answer.isEmpty, Clocks.monotonic() < end {
            let socket = try rig.connect()
            try? socket.send([0x61])
            answer = (try? socket.receive(1)) ?? []
            if answer.isEmpty { Clocks.sleep(0.1) }
        }
        #expect(answer == [0x61])
    }

    @Test(
        "A wake has a session that has carried nothing log in again, for it may be older than its grant"
    )
    func wokenBeforeUse() throws {
        let rig = try TunnelRig { _, server in
            let keys = "\(server.folder)/authorized_keys"
            let line = Array("permitopen=\"127.0.0.1:1\" ".utf8) + (try Files.read(keys))
            try Files.replace(keys, with: line)
        }
        let before = rig.tunnel.status()
        let keys = "\(rig.server.folder)/authorized_keys"
        try Files.replace(keys, with: try Files.read("\(rig.server.folder)/client.pub"))
        rig.tunnel.wake()
        try rig.awaitStatus("a new session") { $0.state == .up && $0.since > before.since }
        let socket = try rig.connect()
        try socket.send([0x61])
        #expect(try socket.receive(1) == [0x61])
        #expect(rig.tunnel.status().lastError == nil)
    }

    @Test("A host key that is not pinned is refused with both fingerprints; one of two is enough")
    func changedHostKey() throws {
        let rig = try TunnelRig(awaitUp: false) { desired, server in
            desired.hostKeys = [try server.key("stranger")]
        }
        let problem = try #require(try rig.awaitState(.refused).lastError)
        #expect(problem.code == .hostKey)
        #expect(problem.message.contains(try rig.server.fingerprint()))
        #expect(problem.message.contains(try rig.server.fingerprint("stranger")))
        var both = rig.desired
        both.hostKeys.append(try rig.server.key("host_ed25519"))
        rig.tunnel.change(
            to: both, identityFile: "\(rig.server.folder)/client", drain: 0)
        #expect(try rig.awaitState(.up).algorithms?.hostKey == both.hostKeys[1])
    }

    @Test("A key that the server does not take is refused until it does, and a wake is enough")
    func refusedKey() throws {
        let rig = try TunnelRig(identity: "stranger", awaitUp: false)
        let problem = try #require(try rig.awaitState(.refused).lastError)
        #expect(problem.code == .authentication)
        #expect(problem.message.contains(try rig.server.fingerprint("stranger")))
        let folder = rig.server.folder
        try Files.replace("\(folder)/authorized_keys", with: Files.read("\(folder)/stranger.pub"))
        rig.tunnel.wake()
        try rig.awaitState(.up)
    }

    @Test("A key file that others may read, that is missing or that is another key is not shown")
    func keyFile() throws {
        let rig = try TunnelRig()
        let folder = rig.server.folder
        func problem(_ file: String) throws -> TunnelProblem? {
            rig.tunnel.change(to: rig.desired, identityFile: file, drain: 0)
            return try rig.awaitState(.refused).lastError
        }
        for (file, words) in [
            ("\(folder)/none", "no such file"), ("\(folder)/stranger", "another key"),
            ("\(folder)/client.pub", "others may read it"),
        ] {
            let problem = try problem(file)
            #expect(problem?.code == .clientKey)
            #expect(problem?.message.contains(words) == true)
        }
        // The session that stood all the while serves on.
        #expect(try rig.connect().exchange([1, 2, 3]) == [1, 2, 3])
    }

    @Test("A server with no algorithm that is good enough is refused")
    func negotiation() throws {
        let rig = try TunnelRig(extra: "Ciphers aes256-ctr", awaitUp: false)
        #expect(try rig.awaitState(.refused).lastError?.code == .negotiation)
    }

    @Test("An entrance that another program has is told with its name, and taken when it is free")
    func takenEntrance() throws {
        let holder = try TestService(.echo)
        let rig = try TunnelRig(entrances: [holder.end], awaitUp: false)
        let status = rig.tunnel.status()
        #expect(status.state == .blocked && status.listening == [])
        let problem = try #require(status.lastError)
        #expect(problem.code == .entranceTaken)
        #expect(problem.message.contains("(pid \(getpid()))"))
        holder.stop()
        rig.tunnel.wake()
        #expect(try rig.awaitState(.up).listening == [holder.end])
    }

    @Test("Only loopback is listened on", arguments: ["0.0.0.0", "192.0.2.1", "::"])
    func openEntrance(host: String) throws {
        let address = try #require(IPAddress(host))
        let end = TunnelEnd.tcp(SocketEndpoint(address, try TestServer.freePort()))
        let rig = try TunnelRig(entrances: [end], awaitUp: false)
        let status = rig.tunnel.status()
        #expect(status.state == .blocked && status.listening == [])
        #expect(status.lastError?.code == .entranceRefused)
    }

    @Test("A unix socket that nobody listens on is replaced; a live one and a file are not")
    func unixEntrances() throws {
        let folder = try TemporaryFolder()
        let live = try TestService(.echo, unixPath: "\(folder.path)/live")
        let dead = try TestService(.echo, unixPath: "\(folder.path)/dead")
        dead.stop()
        try Files.replace("\(folder.path)/file", with: "mine".utf8)
        let rig = try TunnelRig(entrances: [.unix("\(folder.path)/dead")])
        #expect(try TestSocket(path: "\(folder.path)/dead").exchange([5]) == [5])
        for (name, code) in [
            ("live", TunnelProblem.Code.entranceTaken), ("file", .entranceRefused),
        ] {
            var desired = rig.desired
            desired.entrances = [.unix("\(folder.path)/\(name)")]
            rig.tunnel.change(
                to: desired, identityFile: "\(rig.server.folder)/client", drain: 0)
            let status = rig.tunnel.status()
            #expect(status.state == .blocked && status.lastError?.code == code)
        }
        #expect(!Files.exists("\(folder.path)/dead"))
        #expect(try TestSocket(path: "\(folder.path)/live").exchange([6]) == [6])
        #expect(try Files.read("\(folder.path)/file") == Array("mine".utf8))
        live.stop()
    }

    @Test("When the session is killed, its connections break audibly and new ones work")
    func killedSession() throws {
        let rig = try TunnelRig()
        let socket = try rig.connect()
        try socket.send([1])
        #expect(try socket.receive(1) == [1])
        rig.server.killSessions()
        // Not an end that could be taken for the service's own.
        let error = #expect(throws: SystemError.self) { try socket.receive(1) }
        #expect(error?.errno == ECONNRESET)
        let status = try rig.awaitStatus("again") { $0.reconnects == 1 && $0.state == .up }
        #expect(status.lastError?.code == .lost)
        #expect(try rig.connect().exchange([2, 3]) == [2, 3])
    }

    @Test("While the server is away callers are refused at once, and served when it is back")
    func serverAway() throws {
        let rig = try TunnelRig()
        rig.server.crash()
        try rig.awaitStatus("away") { $0.lastError?.code == .notListening }
        #expect(rig.tunnel.status().listening == rig.desired.entrances)
        let error = #expect(throws: SystemError.self) { try rig.connect().receive(1) }
        #expect(error?.errno == ECONNRESET)
        try rig.server.revive()
        try rig.awaitState(.up)
        #expect(try rig.connect().exchange([9]) == [9])
    }

    @Test("A server that hangs is given up, though its TCP still answers")
    func hungServer() throws {
        let rig = try TunnelRig()
        let socket = try rig.connect()
        try socket.send([1])
        #expect(try socket.receive(1) == [1])
        rig.server.signalSessions(SIGSTOP)
        let error = #expect(throws: SystemError.self) { try socket.receive(1) }
        #expect(error?.errno == ECONNRESET)
        #expect(rig.tunnel.status().lastError?.code == .lost)
        try rig.awaitState(.up)
        #expect(try rig.connect().exchange([9]) == [9])
        rig.server.signalSessions(SIGCONT)
    }

    @Test("A restart makes a new session, and the entrances stay")
    func restart() throws {
        let rig = try TunnelRig()
        let socket = try rig.connect()
        try socket.send([1])
        #expect(try socket.receive(1) == [1])
        rig.tunnel.restart()
        let error = #expect(throws: SystemError.self) { try socket.receive(1) }
        #expect(error?.errno == ECONNRESET)
        #expect(try rig.awaitState(.up).reconnects == 1)
        #expect(try rig.connect().exchange([2]) == [2])
    }

    @Test("A change of keys moves new connections, and the old ones live on until they end")
    func change() throws {
        let rig = try TunnelRig()
        let old = try rig.connect()
        try old.send([1])
        #expect(try old.receive(1) == [1])
        let folder = rig.server.folder
        let keys = try Files.read("\(folder)/client.pub") + Files.read("\(folder)/stranger.pub")
        try Files.replace("\(folder)/authorized_keys", with: keys)
        var desired = rig.desired
        desired.clientKey = try rig.server.key("stranger")
        rig.tunnel.change(to: desired, identityFile: "\(folder)/stranger", drain: 30)
        #expect(rig.tunnel.status().tunnel == desired)
        try rig.awaitState(.up)
        #expect(rig.tunnel.status().draining == 1)
        // The old key goes, as a rotation takes it away: what stands is not touched, and the new one carries on.
        try Files.replace("\(folder)/authorized_keys", with: Files.read("\(folder)/stranger.pub"))
        #expect(try rig.connect().exchange([2, 3]) == [2, 3])
        let bytes = pattern(2_000_000, seed: 11)
        #expect(try old.exchange(bytes) == bytes)
        let status = try rig.awaitStatus("drained") { $0.connections == 0 }
        #expect(status.reconnects == 0 && status.lastError == nil)
    }

    @Test(
        "A host key that is accepted as well makes no new session; one that is accepted no more does"
    )
    func acceptedKeys() throws {
        let rig = try TunnelRig()
        let old = try rig.connect()
        try old.send([1])
        #expect(try old.receive(1) == [1])
        var desired = rig.desired
        desired.hostKeys.append(try rig.server.key("stranger"))
        rig.tunnel.change(to: desired, identityFile: "\(rig.server.folder)/client", drain: 30)
        try rig.awaitState(.up)
        #expect(rig.tunnel.status().draining == 0)
        desired.hostKeys.removeFirst()
        rig.tunnel.change(to: desired, identityFile: "\(rig.server.folder)/client", drain: 30)
        // The server has no other key, so no new session comes of it; the one there is goes on.
        try rig.awaitState(.refused)
        #expect(try old.exchange([2]) == [2])
    }

    @Test("Connections that outlast a change are broken when their time is up")
    func drain() throws {
        let rig = try TunnelRig()
        let old = try rig.connect()
        try old.send([1])
        #expect(try old.receive(1) == [1])
        let folder = rig.server.folder
        let copy = "\(folder)/copy"
        try Files.replace(copy, with: Files.read("\(folder)/client"))
        rig.tunnel.change(to: rig.desired, identityFile: copy, drain: 0.2)
        let error = #expect(throws: SystemError.self) { try old.receive(1) }
        #expect(error?.errno == ECONNRESET)
        #expect(try rig.connect().exchange([2]) == [2])
    }

    @Test("Thousands of connections, a lost session and a stop leave no descriptor and no thread")
    func nothingLeft() async throws {
        // In a process of its own, where no other test opens or closes anything.
        await #expect(processExitsWith: .success) {
            let rig = try TunnelRig()
            func count(_ what: String) throws -> Int { try Files.list("/proc/self/\(what)").count }
            func use(_ rounds: Int) throws {
                for _ in 0..<rounds {
                    guard try rig.connect().exchange([1, 2]) == [1, 2] else { exit(2) }
                }
                try rig.awaitStatus("closed") { $0.connections == 0 }
            }
            func settle(_ what: String, _ wanted: Int) throws {
                for _ in 0..<500 where try count(what) > wanted { Clocks.sleep(0.01) }
                guard try count(what) <= wanted else { exit(1) }
            }
            try use(10)
            // The service's own threads and sockets end a moment after the connections.
            var files = Int.max
            while case let now = try count("fd"), now < files {
                files = now
                Clocks.sleep(0.3)
            }
            let threads = try count("task")
            try use(3000)
            try settle("fd", files)
            rig.server.killSessions()
            try rig.awaitStatus("again") { $0.reconnects == 1 && $0.state == .up }
            try use(10)
            try settle("fd", files)
            do {
                var desired = rig.desired
                desired.entrances = [.tcp(try TunnelRig.loopback(TestServer.freePort()))]
                try Tunnel(desired, identityFile: "\(rig.server.folder)/client").stop(drain: 1)
            }
            try settle("fd", files)
            try settle("task", threads)
        }
    }
}
