import Glibc
import Testing

@testable import MeshCLI

@Suite("A token on the command line is hidden, or refused where it cannot be")
struct TokenOperandTests {
    @Test(
        "with sudo's own command line it is refused",
        arguments: [
            "/usr/local/bin/meshproof join mpj1-c2VjcmV0",
            "/usr/bin/sh -c meshproof join mpj1-c2Vj",
            "/bin/bash -c meshproof join \\ mpj1\\-c2VjcmV0",
        ])
    func underSudo(_ command: String) {
        do {
            try TokenOperand.refuse(under: command)
            Issue.record("not refused")
        } catch {
            #expect(error.code == ExitCode.usage)
            #expect(error.fix?.contains("sudo meshproof join, and paste") == true)
            #expect(!"\(error.message) \(error.fix ?? "")".contains("mpj"))
        }
    }

    @Test(
        "without sudo, and in a shell that sudo has started, it is not",
        arguments: [nil, "/bin/bash"])
    func allowed(_ command: String?) throws { try TokenOperand.refuse(under: command) }

    @Test(
        "it is overwritten whatever it looks like, and nothing else is",
        arguments: ["mpj1-c2VjcmV0", " \t mpj1-c2VjcmV0", "pj1-c2VjcmV0 mistyped"])
    func hides(_ token: String) {
        var arguments = ["meshproof", "join", "--json", token].map { (word: String) in strdup(word)
        }
        defer { for argument in arguments { free(argument) } }
        arguments.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            TokenOperand.hide(token, in: base, count: buffer.count)
        }
        let left = arguments.map { $0.map { String(cString: $0) } ?? "" }
        let hidden = String(repeating: "x", count: token.utf8.count)
        #expect(left == ["meshproof", "join", "--json", hidden])
    }
}
