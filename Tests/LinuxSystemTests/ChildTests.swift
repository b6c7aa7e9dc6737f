import Glibc
import LinuxSystem
import Testing

@Suite("A child runs as told and is never lost")
struct ChildTests {
    @Test("What a command prints and how it ends is collected")
    func collected() throws {
        let result = try Child.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
        #expect(result.status == .code(3))
        #expect(!result.status.isSuccess)
        #expect(result.text == "out")
        #expect(result.errorText == "err")
        #expect(result.output == Array("out\n".utf8))
    }

    @Test("A signal is told from an exit code")
    func signalled() throws {
        #expect(try Child.run(["sh", "-c", "kill -TERM $$"]).status == .signal(SIGTERM))
        #expect(try Child.run(["sh", "-c", "exit 143"]).status == .code(143))
    }

    @Test("More than a pipe holds goes both ways at once")
    func large() throws {
        let input = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        let result = try Child.run(["sh", "-c", "tee /dev/stderr"], input: input)
        #expect(result.output == input)
        #expect(result.errors == input)
    }

    @Test("A command that does not read its input ends neither itself nor us")
    func unread() throws {
        let input = [UInt8](repeating: 65, count: 1_000_000)
        let result = try Child.run(["sh", "-c", "exec <&-; echo closed"], input: input)
        #expect(result.status.isSuccess && result.text == "closed")
        #expect(try Child.run(["true"], input: input).status.isSuccess)
    }

    @Test("Without input the command reads the end at once")
    func noInput() throws {
        #expect(try Child.run(["cat"]).output.isEmpty)
    }

    @Test("What goes beyond the limit is dropped, and the command still ends")
    func limited() throws {
        let result = try Child.run(["head", "-c", "500000", "/dev/zero"], limit: 1000)
        #expect(result.status.isSuccess)
        #expect(result.output.count == 1000)
    }

    @Test("A command that takes too long is killed and reaped")
    func timedOut() throws {
        try withFolder { folder in
            let code = failure {
                _ = try Child.run(
                    ["sh", "-c", "echo $$ > \(folder)/pid; exec sleep 1000"], timeout: 0.3)
            }
            #expect(code == ETIMEDOUT)
            let text = String(decoding: try Files.read("\(folder)/pid"), as: UTF8.self)
            let pid = try #require(Int32(text.filter(\.isNumber)))
            #expect(kill(pid, 0) == -1)
        }
    }

    @Test("What a command leaves behind in the background is not waited for")
    func background() throws {
        let result = try Child.run(
            ["sh", "-c", "echo before; sleep 1000 & echo $!"], timeout: 100)
        #expect(result.status.isSuccess)
        let lines = result.text.split(separator: "\n")
        #expect(lines.first == "before")
        let pid = try #require(lines.last.flatMap { Int32($0) })
        #expect(kill(pid, SIGKILL) == 0)
    }

    @Test(
        "A command that is not there is an error that names it",
        arguments: ["no-such-command-at-all", "/no/such", ""])
    func missing(name: String) {
        #expect(failure { _ = try Child.run([name]) } == ENOENT)
        #expect(failure { _ = try Child.run([]) } == ENOENT)
    }

    @Test("A folder is no command")
    func folder() throws {
        #expect(Child.find("..") == nil)
        #expect(Child.find("sh")?.hasSuffix("/sh") == true)
    }

    @Test("An argument that C would cut is refused")
    func cut() {
        #expect(failure { _ = try Child.run(["echo", "a\0b"]) } == EINVAL)
        #expect(failure { _ = try Child.run(["env"], environment: ["A=\0"]) } == EINVAL)
    }

    @Test("The environment is the given one alone, or ours")
    func environment() throws {
        #expect(try Child.run(["/usr/bin/env"], environment: ["ONLY=this"]).text == "ONLY=this")
        #expect(try Child.run(["/usr/bin/env"], environment: []).output.isEmpty)
        #expect(try Child.run(["/usr/bin/env"]).text.contains("PATH="))
    }

    @Test("A child has the default signals and our descriptors only where they were given")
    func clean() throws {
        let pipe = try IO.pipe()
        let result = try Child.run([
            "sh", "-c", "grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/self/fd",
        ])
        let lines = result.text.split(separator: "\n")
        for line in lines.prefix(2) {
            let mask = try #require(
                line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) })
            // Signals 32 and 33 are glibc's own, and no program can set them.
            #expect(mask & 0x7fff_ffff == 0, "\(line)")
        }
        // 0, 1, 2 and the folder that ls reads.
        #expect(lines.dropFirst(2).count == 4, "\(lines)")
        withExtendedLifetime(pipe) {}
    }

    @Test("Descriptors may be handed over in any order")
    func anyOrder() throws {
        let output = try IO.pipe()
        let errors = try IO.pipe()
        let child = try Child(
            ["sh", "-c", "echo o; echo e >&2"], output: output.writer.number,
            errors: errors.writer.number)
        #expect(try child.wait() == .code(0))
        #expect(try IO.read(output.reader.number) == Array("o\n".utf8))
        #expect(try IO.read(errors.reader.number) == Array("e\n".utf8))
    }

    @Test("A child in a session of its own leads it, and starts where it is told")
    func session() throws {
        let output = try IO.pipe()
        let child = try Child(
            ["sh", "-c", "pwd; cut -d' ' -f1,6 /proc/$$/stat"], output: output.writer.number,
            newSession: true,
            directory: "/usr")
        let pid = child.pid
        #expect(try child.wait() == .code(0))
        let text = String(decoding: try IO.read(output.reader.number), as: UTF8.self)
        #expect(text == "/usr\n\(pid) \(pid)\n")
    }

    @Test("Waiting gives up when told, and a signal ends the wait")
    func patience() throws {
        let child = try Child(["sleep", "1000"])
        #expect(try child.wait(milliseconds: 10) == nil)
        child.signal(SIGTERM)
        #expect(try child.wait() == .signal(SIGTERM))
        child.signal(SIGTERM)
    }

    @Test("Running commands leaves no descriptor and no zombie behind", .serialized, arguments: [1])
    func noLeak(_: Int) throws {
        // Other tests open descriptors at the same time, so the leak of one per run must stand out.
        let before = try openDescriptors()
        for _ in 0..<300 {
            _ = try Child.run(["true"], input: [1])
            _ = try? Child.run(["/no/such"])
        }
        #expect(try openDescriptors() < before + 150)
        let status = try Child.run([
            "sh", "-c", "grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l",
        ])
        #expect((Int(status.text) ?? 0) < 150)
    }
}
