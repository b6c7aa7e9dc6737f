import LinuxSystem
import MeshModel
import Secrets
import Testing

@Suite("A sealed secret opens only whole, under its name and with its key")
struct VaultTests {
    let kek: KeyEncryptionKey
    let vault: Vault

    init() throws {
        kek = try KeyEncryptionKey(secretBytes(String(repeating: "4b", count: 32)))
        vault = Vault(key: kek)
    }

    @Test("What was sealed is what is opened", arguments: [0, 1, 32, 64, 1000])
    func roundTrip(count: Int) throws {
        let secret = try SecretBytes(random: count)
        let opened = try vault.open(vault.seal(secret, name: "psk/0/a/b"), name: "psk/0/a/b")
        #expect(opened.equals(secret))
    }

    @Test("The bytes are the format's, field by field")
    func golden() throws {
        let secret = try secretBytes(String(repeating: "5e", count: 4))
        let random = try secretBytes(
            String(repeating: "d1", count: 32)  // data key
                + String(repeating: "a2", count: 24)  // nonce of the wrapping
                + String(repeating: "b3", count: 24))  // nonce of the sealing
        let sealed = try vault.seal(secret, name: "signing-key", random: random)
        #expect(Base64.hex(sealed[0..<4]) == "6d707365")  // "mpse"
        #expect(sealed[4] == 1)  // format
        #expect(Array(sealed[5..<21]) == kek.id)
        #expect(Base64.hex(kek.id) == Golden.kekID)
        #expect(Base64.hex(sealed[21..<45]) == String(repeating: "a2", count: 24))
        #expect(Base64.hex(sealed[45..<93]) == Golden.wrappedKey)  // 32 and the tag
        #expect(Base64.hex(sealed[93..<117]) == String(repeating: "b3", count: 24))
        #expect(Base64.hex(sealed[117...]) == Golden.sealedSecret)  // 4 and the tag
        #expect(try vault.open(sealed, name: "signing-key").equals(secret))
    }

    /// Made by another implementation of XChaCha20-Poly1305 and BLAKE2b, from the format's description.
    private enum Golden {
        static let kekID = "a02f5e08473636c0649668202fae43e2"
        static let wrappedKey =
            "9e23c81ab02d0c274f46508b6c955203ba82e22cda302c7ecdb93a02ca055ae4"
            + "0f27962a27c26d648a6217c26ed706c7"
        static let sealedSecret = "1cc297153a38b05abe5a58f6025806a3cd0eb1cf"
    }

    @Test("No bit may differ")
    func everyBit() throws {
        let sealed = try vault.seal(SecretBytes(random: 32), name: "n")
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            // The first four bytes are the magic, the fifth the format, the next 16 the key's name.
            let expected: [SecretsError.Code] =
                bit < 32
                ? [.malformed] : bit < 40 ? [.format] : bit < 168 ? [.otherKey] : [.tampered]
            let code = refusal { _ = try vault.open(changed, name: "n") }
            #expect(code.map(expected.contains) == true, "bit \(bit): \(String(describing: code))")
        }
    }

    @Test("No byte may be missing or added")
    func everyLength() throws {
        let sealed = try vault.seal(SecretBytes(random: 32), name: "n")
        for count in 0..<sealed.count {
            #expect(refusal { _ = try vault.open(Array(sealed.prefix(count)), name: "n") } != nil)
        }
        #expect(refusal { _ = try vault.open(sealed + [0], name: "n") } == .tampered)
    }

    @Test("Put under another name it stays closed")
    func otherName() throws {
        let sealed = try vault.seal(SecretBytes(random: 32), name: "psk/0/a/b")
        #expect(refusal { _ = try vault.open(sealed, name: "psk/0/a/c") } == .tampered)
        #expect(refusal { _ = try vault.open(sealed, name: "") } == .tampered)
    }

    @Test("Another key is told from a damaged secret")
    func otherKey() throws {
        let sealed = try vault.seal(SecretBytes(random: 32), name: "n")
        let other = Vault(key: try KeyEncryptionKey(SecretBytes(random: 32)))
        #expect(refusal { _ = try other.open(sealed, name: "n") } == .otherKey)
    }

    @Test("Sealing the same twice gives nothing in common but the head")
    func neverTheSame() throws {
        let secret = try SecretBytes(random: 32)
        let (one, other) = (try vault.seal(secret, name: "n"), try vault.seal(secret, name: "n"))
        #expect(one.prefix(21) == other.prefix(21))
        #expect(
            Set(zip(one, other).enumerated().filter { $1.0 == $1.1 && $0 >= 21 }.map(\.offset))
                .count < 20)
    }

    @Test("Rewrapped, it opens with the new key only, and the sealing is untouched")
    func rewrapped() throws {
        let secret = try SecretBytes(random: 32)
        let sealed = try vault.seal(secret, name: "n")
        let newKey = try KeyEncryptionKey(SecretBytes(random: 32))
        let anew = try vault.rewrap(sealed, name: "n", to: newKey)
        #expect(try Vault(key: newKey).open(anew, name: "n").equals(secret))
        #expect(refusal { _ = try vault.open(anew, name: "n") } == .otherKey)
        #expect(anew[93...] == sealed[93...])
        #expect(anew[21..<93] != sealed[21..<93])
        #expect(refusal { _ = try vault.rewrap(sealed, name: "m", to: newKey) } == .tampered)
    }

    @Test("Many at once are as one by one")
    func many() throws {
        let count = 2500
        let names = (0..<count).map { "psk/0/n\($0)/z" }
        let secrets = try PresharedKeys.generate(count: count)
        let sealed = try vault.sealMany(secrets, width: 32, names: names)
        #expect(Set(sealed.map { Array($0[93..<117]) }).count == count)
        let opened = try vault.openMany(Array(zip(sealed, names)), width: 32)
        #expect(opened.equals(secrets))
        let slice = try #require(SecretSlice(secrets, width: 32, at: 1234))
        #expect(try contents(vault.open(sealed[1234], name: names[1234])) == contents(slice))
        #expect(refusal { _ = try vault.sealMany(secrets, width: 32, names: ["one"]) } == .length)
        #expect(refusal { _ = try vault.openMany([(sealed[0], names[0])], width: 31) } == .tampered)
    }
}
