import Glibc
import LinuxSystem
import Testing

@Suite("A lock has one holder")
struct FileLockTests {
    /// Takes the lock and frees it again; false where somebody else holds it.
    private func isFree(_ path: String) throws -> Bool {
        switch try FileLock(path: path) {
        case .some: true
        case .none: false
        }
    }

    /// Runs `body` with the lock held.
    private func holding(_ path: String, _ body: () throws -> Void) throws {
        switch try FileLock(path: path) {
        case .some(let lock):
            try body()
            _ = consume lock
        case .none: Issue.record("\(path) is held by somebody else")
        }
    }

    @Test("The second comer gets nothing and can read who came first; freed, it is to be had again")
    func exclusive() throws {
        try withFolder { folder in
            let path = "\(folder)/lock"
            try holding(path) {
                let isFree = try self.isFree(path)
                #expect(!isFree)
                #expect(FileLock.holder(path: path) == getpid())
                #expect(Files.mode(path) == 0o600)
            }
            let isFree = try self.isFree(path)
            #expect(isFree)
        }
    }

    @Test(
        "Another process is held off too, and its death frees the lock",
        .enabled(if: Child.find("flock") != nil))
    func acrossProcesses() throws {
        try withFolder { folder in
            let path = "\(folder)/lock"
            let output = try IO.pipe()
            let script = "exec 9<>\(path); flock 9; echo locked; exec sleep 1000"
            let child = try Child(["sh", "-c", script], output: output.writer.number)
            #expect(try IO.read(output.reader.number) == Array("locked\n".utf8))
            let whileItLives = try isFree(path)
            child.signal(SIGKILL)
            _ = try child.wait()
            let afterwards = try isFree(path)
            #expect(!whileItLives && afterwards)
        }
    }

    @Test(
        "A lock file that was removed under its holder does not stop a new one from being exclusive"
    )
    func removed() throws {
        try withFolder { folder in
            let path = "\(folder)/lock"
            try holding(path) {
                try Files.remove(path)
                try holding(path) {
                    let isFree = try self.isFree(path)
                    #expect(!isFree)
                }
            }
        }
    }

    @Test("A link in the lock's place is refused")
    func link() throws {
        try withFolder { folder in
            #expect(symlink("target", "\(folder)/lock") == 0)
            #expect(failure { _ = try FileLock(path: "\(folder)/lock") } == ELOOP)
            #expect(!Files.exists("\(folder)/target"))
        }
    }

    @Test(
        "Nobody is named by a file that holds no number",
        arguments: ["", "\n", "abc\n", "99999999999\n"])
    func nobody(text: String) throws {
        try withFolder { folder in
            try Files.replace("\(folder)/lock", with: Array(text.utf8))
            #expect(FileLock.holder(path: "\(folder)/lock") == nil)
            #expect(FileLock.holder(path: "\(folder)/none") == nil)
        }
    }
}
