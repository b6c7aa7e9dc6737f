import LinuxSystem
import MeshModel
import Secrets
import Testing

@Suite("A secret's file is its owner's alone")
struct SecretFileTests {
    @Test("A file is one line of base64, mode 0600, and reads back")
    func roundTrip() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            let key = try WireGuardKeys.generate()
            try SecretFiles.write(key, to: path)
            #expect(Files.mode(path) == 0o600)
            #expect(try Files.read(path) == Array((Base64.encode(contents(key)) + "\n").utf8))
            #expect(try SecretFiles.read(path, count: 32)?.equals(key) == true)
            #expect(try Files.list(folder) == ["key"])
        }
    }

    @Test("Writing over a file that others could read leaves one that they cannot")
    func replaced() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try Files.replace(path, with: [1], mode: 0o644)
            try SecretFiles.write(SecretBytes(random: 32), to: path)
            #expect(Files.mode(path) == 0o600)
        }
    }

    @Test("No file is no secret, and no error")
    func missing() throws {
        try withFolder { folder in
            let found = try SecretFiles.read("\(folder)/none", count: 32)
            #expect(found == nil)
        }
    }

    @Test(
        "A file that the group or others may touch is refused, and the fix is named",
        arguments: [0o640, 0o604, 0o620, 0o610, 0o601, 0o666] as [UInt32])
    func readable(mode: UInt32) throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try Files.replace(path, with: Array("AAAA\n".utf8), mode: mode)
            #expect {
                _ = try SecretFiles.read(path, count: 3)
            } throws: { error in
                let error = error as? SecretsError
                return error?.code == .unsafeFile
                    && error?.hint.contains("chmod 600 \(path)") == true
            }
        }
    }

    @Test("A link, a folder and a FIFO in a file's place are refused, and none is waited for")
    func notRegular() throws {
        try withFolder { folder in
            try SecretFiles.write(SecretBytes(random: 32), to: "\(folder)/key")
            #expect(try Child.run(["ln", "-s", "key", "\(folder)/link"]).status.isSuccess)
            #expect(try Child.run(["mkfifo", "-m", "600", "\(folder)/fifo"]).status.isSuccess)
            try Files.makeFolder("\(folder)/folder")
            for name in ["link", "fifo", "folder"] {
                #expect(
                    refusal { _ = try SecretFiles.read("\(folder)/\(name)", count: 32) }
                        == .unsafeFile)
            }
        }
    }

    @Test("A file of another user is refused")
    func otherOwner() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try SecretFiles.write(SecretBytes(random: 32), to: path)
            // Only root can give a file away; elsewhere there is nothing to show.
            guard try Child.run(["chown", "12345", path]).status.isSuccess else { return }
            #expect(refusal { _ = try SecretFiles.read(path, count: 32) } == .unsafeFile)
        }
    }

    @Test(
        "A file that does not hold the secret whole is refused",
        arguments: [
            "", "\n", "AAAAAA", "AAAAAA==AAAA\n", "AAAAAAA=\n", "not base64!\n",
            "AAAAAA==\n\n\n\n\n\n",
        ])
    func malformed(text: String) throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try Files.replace(path, with: Array(text.utf8))
            #expect(refusal { _ = try SecretFiles.read(path, count: 4) } == .malformed)
        }
    }

    @Test(
        "Line ends of other editors are fine",
        arguments: ["AAAAAA==", "AAAAAA==\n", "AAAAAA==\r\n"])
    func lineEnds(text: String) throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            try Files.replace(path, with: Array(text.utf8))
            let secret = try SecretFiles.read(path, count: 4)
            #expect(secret.map(contents) == [0, 0, 0, 0])
        }
    }

    @Test("wg reads our keys and we read its", .enabled(if: Child.find("wg") != nil))
    func wireGuardTools() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            let key = try WireGuardKeys.generate()
            try SecretFiles.write(key, to: path)
            let derived = try Child.run(["wg", "pubkey"], input: Files.read(path))
            #expect(derived.text == (try WireGuardKeys.publicKey(of: key)).description)
            let made = try Child.run(["wg", "genkey"])
            try Files.replace(path, with: made.output)
            let read = try #require(try SecretFiles.read(path, count: 32))
            let publicKey = try Child.run(["wg", "pubkey"], input: made.output).text
            #expect(try WireGuardKeys.publicKey(of: read).description == publicKey)
        }
    }
}
