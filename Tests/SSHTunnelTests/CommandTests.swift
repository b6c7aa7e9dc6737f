import Glibc
import LinuxSystem
import SSHTunnel
import TestSupport
import Testing

@Suite("Commands run on a server over a session")
struct CommandTests {
    @Test("Standard input, output, errors and the exit code all arrive")
    func streams() throws {
        let server = try TestServer()
        let client = try server.connect()
        let result = try client.run("cat; echo problem >&2; exit 7", input: Array("hello".utf8))
        #expect(result.text == "hello")
        #expect(result.errorText == "problem")
        #expect(result.status == .code(7))
    }

    @Test(
        "A command's end is told as the shell would tell it",
        arguments: [
            ("true", LinuxSystem.ExitStatus.code(0)), ("exit 255", .code(255)),
            ("kill -KILL $$", .signal(SIGKILL)),
            ("kill -TERM $$", .signal(SIGTERM)), ("no-such-command", .code(127)),
        ])
    func endings(command: String, expected: LinuxSystem.ExitStatus) throws {
        let server = try TestServer()
        #expect(try server.connect().run(command).status == expected)
    }

    @Test("One session runs commands one after the other")
    func reuse() throws {
        let server = try TestServer()
        let client = try server.connect()
        for number in 0..<20 {
            #expect(try client.run("echo \(number)").text == String(number))
        }
    }

    /// libssh takes 4 KiB off the socket at a time: a packet above that is whole only after the look at standard error,
    /// and nothing more comes that would wake who waits for the socket then. The command goes on only when it is answered,
    /// so that bytes left lying would never be read.
    @Test("A burst that a look at standard error has taken off the socket is read all the same")
    func bursts() throws {
        let server = try TestServer()
        let client = try server.connect()
        let channel = try client.open("while read n; do head -c $n /dev/zero; done")
        for size in [5_000, 6_000, 8_000, 12_000, 20_000, 40_000, 100_000, 6_000] {
            let deadline = Clocks.monotonic() + 20
            try channel.write(Array("\(size)\n".utf8), deadline: deadline)
            var count = 0
            while count < size { count += try channel.read(deadline: deadline).count }
            #expect(count == size)
        }
    }

    @Test("20 MB go out and come back unharmed at the same time")
    func echo() throws {
        let server = try TestServer()
        var generator = SplitMix(20)
        let bytes = (0..<20_000_000 / 8).flatMap { _ in
            withUnsafeBytes(of: generator.next()) { Array($0) }
        }
        let result = try server.connect().run(
            "cat", input: bytes, timeout: 120, outputLimit: 32 << 20)
        #expect(result.status == .code(0))
        #expect(result.output == bytes)
    }

    @Test("A file of 20 MB is uploaded unharmed, and its progress only grows")
    func upload() throws {
        let server = try TestServer()
        let path = "\(server.folder)/big"
        var generator = SplitMix(21)
        try Files.replace(
            path,
            with: (0..<20_000_000 / 8).flatMap { _ in
                withUnsafeBytes(of: generator.next()) { Array($0) }
            })
        var marks: [Int] = []
        var totals: Set<Int> = []
        let result = try server.connect().upload(fileAt: path, to: "sha256sum") {
            marks.append($0)
            totals.insert($1)
        }
        let expected = try Child.run(["sha256sum", path]).text.prefix(64)
        #expect(result.text.prefix(64) == expected)
        #expect(marks == marks.sorted())
        #expect(marks.last == 20_000_000)
        #expect(totals == [20_000_000])
    }

    @Test("A command that reads only the start of its input ends the upload, not the session")
    func earlyEnd() throws {
        let server = try TestServer()
        let client = try server.connect()
        let result = try client.run("head -c 5", input: Array(repeating: 65, count: 8_000_000))
        #expect(result.text == "AAAAA")
        #expect(result.status == .code(0))
        #expect(try client.run("echo on").text == "on")
    }

    @Test("A flood on standard error neither blocks the command nor fills the memory")
    func stderrFlood() throws {
        let server = try TestServer()
        let result = try server.connect().run(
            "head -c 30000000 /dev/zero >&2; echo done", timeout: 120, outputLimit: 100_000)
        #expect(result.text == "done")
        #expect(result.errors.count == 100_000)
        #expect(result.status == .code(0))
    }

    @Test("Output beyond the limit is dropped, and the command still ends by itself")
    func outputLimit() throws {
        let server = try TestServer()
        let result = try server.connect().run(
            "head -c 5000000 /dev/zero", timeout: 120, outputLimit: 1000)
        #expect(result.output.count == 1000)
        #expect(result.status == .code(0))
    }

    @Test("A command that never ends is given up at the deadline, and the session goes on")
    func timeout() throws {
        let server = try TestServer()
        let client = try server.connect()
        let timeout = #expect(throws: SSHError.self) { try client.run("sleep 30", timeout: 0.5) }
        #expect(timeout?.code == .timeout)
        #expect(try client.run("echo on").text == "on")
    }

    @Test("A server that dies in the middle of a command is noticed at once")
    func crash() throws {
        let server = try TestServer()
        let client = try server.connect()
        let channel = try client.open("echo ready; exec sleep 600")
        #expect(try channel.read(deadline: Clocks.monotonic() + 20) == Array("ready\n".utf8))
        server.crash()
        let error = #expect(throws: SSHError.self) {
            try channel.read(deadline: Clocks.monotonic() + 60)
        }
        #expect(error?.code == .lost)
        #expect(throws: SSHError.self) { try client.run("true", timeout: 5) }
    }

    @Test("An open channel answers line by line, keeps its errors, and ends when its input does")
    func channel() throws {
        let server = try TestServer()
        let channel = try server.connect().open("echo side >&2; cat")
        let deadline = Clocks.monotonic() + 30
        for word in ["one\n", "two\n"] {
            try channel.write(Array(word.utf8), deadline: deadline)
            #expect(try channel.read(deadline: deadline) == Array(word.utf8))
        }
        channel.closeInput()
        #expect(try channel.read(deadline: deadline).isEmpty)
        #expect(try channel.finish(deadline: deadline) == .code(0))
        #expect(channel.errorText == "side")
    }

    @Test("Reading a channel that says nothing stops at the deadline and can be tried again")
    func quietChannel() throws {
        let server = try TestServer()
        let channel = try server.connect().open("cat")
        let error = #expect(throws: SSHError.self) {
            try channel.read(deadline: Clocks.monotonic() + 0.3)
        }
        #expect(error?.code == .timeout)
        let deadline = Clocks.monotonic() + 30
        try channel.write([88], deadline: deadline)
        #expect(try channel.read(deadline: deadline) == [88])
    }

    @Test("A forced command that refuses sessions is told as such")
    func noSessions() throws {
        let server = try TestServer(extra: "MaxSessions 0")
        let client = try server.connect()
        let error = #expect(throws: SSHError.self) { try client.run("true") }
        #expect(error?.code == .command)
        #expect(error?.hint != nil)
    }
}
