import LinuxSystem
import Secrets
import Testing

@Suite("The key-encryption key comes from outside the state")
struct KeyEncryptionKeyTests {
    @Test("The first use makes the file, the second finds the same key")
    func madeOnce() throws {
        try withFolder { folder in
            let path = "\(folder)/keys/kek"
            let state = "\(folder)/state"
            let made = try KeyFile.open(path, stateFolder: state, mayCreate: true)
            let found = try KeyFile.open(path, stateFolder: state, mayCreate: false)
            #expect(made.isNew && !found.isNew)
            #expect(made.key.id == found.key.id)
            #expect(Files.mode(path) == 0o600)
            #expect(Files.mode("\(folder)/keys") == 0o700)
            let sealed = try Vault(key: made.key).seal(SecretBytes(random: 8), name: "n")
            _ = try Vault(key: found.key).open(sealed, name: "n")
        }
    }

    @Test("A missing file is not made anew where secrets are sealed already")
    func missing() throws {
        try withFolder { folder in
            let path = "\(folder)/kek"
            #expect(
                refusal {
                    _ = try KeyFile.open(path, stateFolder: "\(folder)/state", mayCreate: false)
                }
                    == .keyFileMissing)
            #expect(!Files.exists(path))
        }
    }

    @Test(
        "A file inside the state folder is refused, however the path is written",
        arguments: [
            "state/kek", "state/deep/kek", "other/../state/kek", "link/kek", "link/deep/kek",
            "state/./kek",
        ])
    func inside(path: String) throws {
        try withFolder { folder in
            try Files.makeFolder("\(folder)/state")
            try Files.makeFolder("\(folder)/other")
            #expect(try Child.run(["ln", "-s", "state", "\(folder)/link"]).status.isSuccess)
            #expect(
                refusal {
                    _ = try KeyFile.open(
                        "\(folder)/\(path)", stateFolder: "\(folder)/state", mayCreate: true)
                } == .keyFileInState)
            #expect(try Files.list("\(folder)/state").isEmpty)
        }
    }

    @Test("A folder that only begins with the state folder's name is outside")
    func neighbour() throws {
        try withFolder { folder in
            let opened = try KeyFile.open(
                "\(folder)/state-keys/kek", stateFolder: "\(folder)/state", mayCreate: true)
            #expect(opened.isNew)
        }
    }

    @Test("A wrong key file is told from a damaged secret, and the hint names the file")
    func wrongFile() throws {
        try withFolder { folder in
            let one = try KeyFile.open(
                "\(folder)/one", stateFolder: "\(folder)/state", mayCreate: true)
            let two = try KeyFile.open(
                "\(folder)/two", stateFolder: "\(folder)/state", mayCreate: true)
            let sealed = try Vault(key: one.key).seal(SecretBytes(random: 8), name: "n")
            #expect {
                _ = try Vault(key: two.key).open(sealed, name: "n")
            } throws: { error in
                let error = error as? SecretsError
                return error?.code == .otherKey && error?.hint.contains("\(folder)/two") == true
            }
        }
    }

    @Test("A shredded key file is gone")
    func shredded() throws {
        try withFolder { folder in
            let path = "\(folder)/kek"
            _ = try KeyFile.open(path, stateFolder: "\(folder)/state", mayCreate: true)
            let first = try KeyFile.shred(path)
            let second = try KeyFile.shred(path)
            #expect(first && !second)
            #expect(!Files.exists(path))
        }
    }

    private func passphrase(_ text: String) throws -> SecretBytes {
        var bytes = Array(text.utf8)
        return try SecretBytes(wiping: &bytes)
    }

    @Test("A passphrase makes the same key again, and another one is told so")
    func passphrases() throws {
        let made = try Passphrase.create(passphrase("correct horse"), limits: .interactive)
        let kept = try Passphrase.Parameters(encoded: made.parameters.encoded)
        #expect(kept == made.parameters)
        #expect(try Passphrase.open(passphrase("correct horse"), kept).id == made.key.id)
        #expect(
            refusal { _ = try Passphrase.open(passphrase("correct hors"), kept) }
                == .wrongPassphrase)
        #expect(refusal { _ = try Passphrase.create(passphrase("")) } == .length)
    }

    @Test("The record is 53 bytes, field by field")
    func record() throws {
        let made = try Passphrase.create(passphrase("x"), limits: .interactive)
        let bytes = made.parameters.encoded
        #expect(bytes.count == 53)
        #expect(Array(bytes[0..<5]) == Array("mppw".utf8) + [1])  // magic, format
        #expect(Set(bytes[5..<21]).count > 1)  // salt
        #expect(Array(bytes[21..<29]) == [0, 0, 0, 0, 0, 0, 0, 2])  // passes
        #expect(Array(bytes[29..<37]) == [0, 0, 0, 0, 4, 0, 0, 0])  // 64 MiB
        #expect(Array(bytes[37..<53]) == made.key.id)
    }

    @Test(
        "A record that asks for too much or too little is refused before anything is derived",
        arguments: [
            (0, 1), (1, 64 << 20), (17, 64 << 20), (UInt64.max, 64 << 20), (3, 1 << 20),
            (3, (1 << 30) + 1),
            (3, UInt64.max),
        ] as [(UInt64, UInt64)])
    func hostile(operations: UInt64, memory: UInt64) throws {
        func big(_ value: UInt64) -> [UInt8] {
            (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
        }
        let bytes =
            Array("mppw".utf8) + [1] + [UInt8](repeating: 9, count: 16) + big(operations)
            + big(memory)
            + [UInt8](repeating: 8, count: 16)
        #expect(refusal { _ = try Passphrase.Parameters(encoded: bytes) } == .limits)
        let limits = Passphrase.Limits(operations: operations, memory: memory)
        #expect(refusal { _ = try Passphrase.create(passphrase("x"), limits: limits) } == .limits)
    }

    @Test("A record of another format or length is refused")
    func badRecord() throws {
        let bytes = try Passphrase.create(passphrase("x"), limits: .interactive).parameters.encoded
        var newer = bytes
        newer[4] = 2
        #expect(refusal { _ = try Passphrase.Parameters(encoded: newer) } == .format)
        #expect(refusal { _ = try Passphrase.Parameters(encoded: bytes + [0]) } == .malformed)
        #expect(refusal { _ = try Passphrase.Parameters(encoded: bytes.dropLast()) } == .malformed)
        #expect(refusal { _ = try Passphrase.Parameters(encoded: []) } == .malformed)
    }
}
