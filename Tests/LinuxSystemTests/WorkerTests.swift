import Glibc
import LinuxSystem
import Synchronization
import Testing

@Suite("Work on threads of its own is done once, in order of its results")
struct WorkerTests {
    @Test("A worker's thread has its name, and its work is done when it is joined")
    func named() throws {
        let name = Mutex("")
        let worker = try Worker("mp-test-name") {
            let bytes = (try? Files.read("/proc/thread-self/comm")) ?? []
            name.withLock { $0 = String(decoding: bytes, as: UTF8.self) }
        }
        worker.join()
        worker.join()
        #expect(name.withLock { $0 } == "mp-test-name\n")
    }

    @Test("Workers that nobody joins give their threads back")
    func abandoned() throws {
        // Threads that are neither joined nor detached keep their stacks of 1 MiB: 2,000 of them 2 GB.
        let before = try mappedKilobytes()
        for _ in 0..<2000 { _ = try Worker("mp-alone") {} }
        #expect(try mappedKilobytes() < before + 1_000_000)
    }

    private func mappedKilobytes() throws -> Int {
        let status = String(decoding: try Files.read("/proc/self/status"), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmSize:") })
        return try #require(Int(line.filter(\.isNumber)))
    }

    @Test("Results come in the order of the elements, each made once", arguments: [1, 3, 8, 1000])
    func ordered(limit: Int) throws {
        let elements = Array(0..<200)
        let results = try fanOut(elements, limit: limit, name: "square") { $0 * $0 }
        #expect(results == elements.map { $0 * $0 })
    }

    @Test("No more than the limit work at a time, and at least one does", arguments: [-1, 0, 1, 4])
    func limited(limit: Int) throws {
        let counts = Counts()
        _ = try fanOut(Array(0..<50), limit: limit, name: "count") { _ in
            counts.enter()
            Clocks.sleep(0.001)
            counts.leave()
        }
        #expect((1...max(1, limit)).contains(counts.most))
    }

    @Test("Nothing to do is done at once")
    func empty() throws {
        #expect(try fanOut([Int](), limit: 4, name: "none") { $0 }.isEmpty)
    }

    @Test("A result that is nil is a result")
    func optional() throws {
        let results = try fanOut([1, 2, 3], limit: 2, name: "nil") { $0 == 2 ? nil : $0 }
        #expect(results == [1, nil, 3])
    }

    private final class Counts: Sendable {
        private let state = Mutex((now: 0, most: 0))

        func enter() {
            state.withLock { state in
                state.now += 1
                state.most = max(state.most, state.now)
            }
        }

        func leave() { state.withLock { $0.now -= 1 } }

        var most: Int { state.withLock { $0.most } }
    }

    @Test(
        "Sleeping for what is no time does not trap",
        arguments: [0, -1, -.infinity, .nan] as [Double])
    func sleep(seconds: Double) {
        let before = Clocks.monotonic()
        Clocks.sleep(seconds)
        #expect(Clocks.monotonic() >= before)
    }

    @Test("The clocks tell times that are possible")
    func clocks() {
        // 2020-01-01, before this was written.
        #expect(Clocks.wall() > 1_577_836_800)
        #expect(Clocks.wallSeconds() <= Int64(Clocks.wall()))
        let first = Clocks.monotonic()
        #expect(Clocks.monotonic() >= first)
    }
}

@Suite("A system error says what, on what and why")
struct SystemErrorTests {
    @Test("Its text has each part that there is")
    func text() {
        #expect("\(SystemError("open", "/x", errno: 2))" == "open /x: No such file or directory")
        #expect(
            "\(SystemError("open", "", errno: 13, detail: "as root"))"
                == "open: Permission denied, as root")
        #expect("\(SystemError("parse", "/x", errno: 0))" == "parse /x")
    }

    @Test("A call is repeated while it is interrupted, and its errno is the thrown one")
    func checked() throws {
        var calls = 0
        #expect(
            try check("call") {
                calls += 1
                return calls < 3 ? interrupted() : 7
            } == 7)
        #expect(calls == 3)
        #expect(failure { try checkCount("call") { Int(failing()) } } == 1)
    }

    private func interrupted() -> Int32 {
        errno = EINTR
        return -1
    }

    private func failing() -> Int32 {
        errno = EPERM
        return -1
    }
}
