import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Secrets
import Testing

/// The program itself, with a state that nothing but files is needed for.
@Suite("The commands that back up, restore, re-lock and destroy the state")
final class StateCommandTests {
    private let root = "/tmp/meshproof-state-\(UInt64.random(in: 0 ... .max))"
    private let program: String

    init() throws {
        program = getenv("MESHPROOF_BIN").map { String(cString: $0) } ?? ".build/debug/meshproof"
        try Files.makeFolder(root)
        let topology = """
            mesh: { name: homelab, network: 10.77.0.0/24 }
            nodes:
              edge: { connect: ssh://root@192.0.2.1, endpoint: 192.0.2.1 }

            """
        try Files.replace("\(root)/topology.yaml", with: topology.utf8)
        try Files.replace("\(root)/phrase", with: "six random words\n".utf8, mode: 0o600)
        _ = try ControllerState(
            StateFolders(state: "\(root)/state", keyFile: keyFile), mesh: "homelab",
            passphraseFile: nil, writing: true)
    }

    deinit { try? Files.removeTree(root) }

    private var keyFile: String { "\(root)/config/meshproof/homelab.kek" }

    private func meshproof(_ arguments: String...) throws -> CommandResult {
        try Child.run(
            ["env", "XDG_CONFIG_HOME=\(root)/config", program] + arguments
                + ["-t", "\(root)/topology.yaml", "--no-color"]
                + (arguments.contains("--state") ? [] : ["--state", "\(root)/state"]),
            timeout: 60)
    }

    @Test(
        "a backup is made with a key file that is made for it, restored, and refused a second time")
    func backupAndRestore() throws {
        let backup = try meshproof("state", "backup", "\(root)/b", "--key", "\(root)/backup.key")
        #expect(backup.status == .code(0), "\(backup.errorText)")
        #expect(backup.text.contains("Backed up mesh homelab"))
        #expect(backup.errorText.contains("Made the key file"))
        let refused = try meshproof("state", "restore", "\(root)/b", "--key", "\(root)/backup.key")
        #expect(refused.status == .code(1))
        #expect(refused.errorText.contains("already") && refused.errorText.contains("--force"))
        let forced = try meshproof(
            "state", "restore", "\(root)/b", "--key", "\(root)/backup.key", "--force", "--json")
        #expect(forced.status == .code(0), "\(forced.errorText)")
        #expect(forced.text.contains("\"command\" : \"state restore\""))
        #expect(forced.text.contains("before-restore-1"))
    }

    @Test(
        "a passphrase from a file locks a backup, and each way to open it wrongly says what to do")
    func wrongWays() throws {
        let made = try meshproof(
            "state", "backup", "\(root)/b", "--backup-passphrase-file", "\(root)/phrase")
        #expect(made.status == .code(0), "\(made.errorText)")
        try Files.removeTree("\(root)/state")
        func restore(_ arguments: String...) throws -> (Int, String) {
            let result = try Child.run(
                ["env", "XDG_CONFIG_HOME=\(root)/config", program, "state", "restore"] + arguments
                    + ["-t", "\(root)/topology.yaml", "--state", "\(root)/state"], timeout: 60)
            guard case .code(let code) = result.status else { return (-1, "") }
            return (Int(code), result.errorText)
        }
        let nobody = try restore("\(root)/b")
        #expect(nobody.0 == 1 && nobody.1.contains("--backup-passphrase-file"), "\(nobody)")
        let key = try restore("\(root)/b", "--key", keyFile)
        #expect(key.0 == 64 && key.1.contains("leave --key out"), "\(key)")
        let wrong = try restore("\(root)/b", "--backup-passphrase-file", "\(root)/topology.yaml")
        #expect(wrong.0 == 1 && wrong.1.contains("the passphrase is not the one"), "\(wrong)")
        let other = try restore("\(root)/topology.yaml", "--key", keyFile)
        #expect(other.0 == 1 && other.1.contains("is no sealed file"), "\(other)")
        let missing = try restore("\(root)/none")
        #expect(missing.0 == 1 && missing.1.contains("none"), "\(missing)")
        try Files.replace("\(root)/cut", with: try Files.read("\(root)/b").dropLast(7))
        let cut = try restore("\(root)/cut")
        #expect(cut.0 == 1 && cut.1.contains("damaged"), "\(cut)")
        #expect(!Files.exists("\(root)/state"), "nothing was written")
        #expect(try restore("\(root)/b", "--backup-passphrase-file", "\(root)/phrase").0 == 0)
    }

    @Test("rekey changes the key file, and to a passphrase and back")
    func rekey() throws {
        let old = try Files.read(keyFile)
        let again = try meshproof("state", "rekey")
        #expect(again.status == .code(0), "\(again.errorText)")
        #expect(try Files.read(keyFile) != old)
        let phrase = try meshproof("state", "rekey", "--new-passphrase-file", "\(root)/phrase")
        #expect(phrase.status == .code(0), "\(phrase.errorText)")
        #expect(!Files.exists(keyFile))
        let back = try meshproof(
            "state", "rekey", "--to", "key-file", "--passphrase-file", "\(root)/phrase", "--json")
        #expect(back.status == .code(0) && back.text.contains("\"before\" : \"passphrase\""))
        #expect(Files.exists(keyFile))
    }

    @Test("rotate --kek does the same, under its own name, and asks no node")
    func rotateKek() throws {
        let old = try Files.read(keyFile)
        let again = try meshproof("rotate", "--kek", "--json")
        #expect(again.status == .code(0), "\(again.errorText)")
        #expect(again.text.contains("\"command\" : \"rotate\""))
        #expect(try Files.read(keyFile) != old)
        let phrase = try meshproof(
            "rotate", "--kek", "--to", "passphrase", "--new-passphrase-file", "\(root)/phrase")
        #expect(phrase.status == .code(0) && !Files.exists(keyFile), "\(phrase.errorText)")
    }

    @Test(
        "a wrong call changes nothing and is told from a failure",
        arguments: [
            ["state", "rekye"], ["state", "backup"], ["state", "rekey", "x"],
            ["state", "rekey", "--to", "paper"], ["state", "rekey", "--force"],
            ["state", "restore", "x", "--to", "passphrase"],
            ["rotate", "--kek", "--controller"], ["rotate", "--kek", "--ssh"],
            ["rotate", "--controller", "--to", "passphrase"], ["rotate", "--to", "key-file"],
            ["rotate", "--controller", "--abort"], ["rotate", "--psk", "--wireguard"],
            ["rotate", "--node", "edge", "--ssh"], ["rotate", "--peering", "edge"],
            ["rotate", "--peering", "edge,edge"], ["rotate", "--grace", "7"],
            ["rotate", "--psk", "--grace", "1d"], ["rotate", "--resume", "--node", "edge"],
            ["shred"], ["shred", "--yes"],
            ["shred", "--yes", "--mesh", "other"], ["shred", "--mesh", "homelab"],
        ])
    func wrongCalls(_ arguments: [String]) throws {
        let key = try Files.read(keyFile)
        let result = try Child.run(
            ["env", "XDG_CONFIG_HOME=\(root)/config", program] + arguments
                + ["-t", "\(root)/topology.yaml", "--state", "\(root)/state"], timeout: 60)
        #expect(result.status == .code(64), "\(result.errorText)")
        #expect(result.errorText.contains("fix:"), "\(result.errorText)")
        #expect(try Files.read(keyFile) == key)
        #expect(Files.exists("\(root)/state/state.db"))
    }
}
