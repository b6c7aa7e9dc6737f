import MeshModel
import Secrets
import TestSupport
import Testing

@Suite("Sealed mail is its addressee's alone")
struct MailSealTests {
    private let key: SecretBytes
    private let address: PublicKey

    init() throws {
        key = try WireGuardKeys.generate()
        address = try WireGuardKeys.publicKey(of: key)
    }

    private func content(_ text: String) throws -> SecretBytes {
        var bytes = Array(text.utf8)
        return try SecretBytes(wiping: &bytes)
    }

    @Test(
        "whoever has the key reads what was sealed, of any length", arguments: [0, 1, 31, 70_000])
    func opens(count: Int) throws {
        let content = try SecretBytes(random: count)
        let sealed = try MailSeal.seal(content, to: address)
        #expect(sealed.count == count + MailSeal.overhead)
        let opened = try #require(try MailSeal.open(sealed, with: key))
        #expect(opened.equals(content))
        #expect(try MailSeal.seal(content, to: address) != sealed, "each is sealed anew")
    }

    @Test("nobody else does, and no changed byte goes unseen")
    func refuses() throws {
        let sealed = try MailSeal.seal(try content("preshared"), to: address)
        #expect(try MailSeal.open(sealed, with: try WireGuardKeys.generate()) == nil)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(try MailSeal.open(changed, with: key) == nil, "byte \(index)")
        }
        for count in [0, 1, MailSeal.overhead - 1, sealed.count - 1] {
            #expect(try MailSeal.open(Array(sealed.prefix(count)), with: key) == nil)
        }
        #expect(try MailSeal.open(sealed + [0], with: key) == nil)
    }

    @Test("a key with which everybody could read it is refused")
    func lowOrder() throws {
        let content = try content("preshared")
        for bytes in [[UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31)] {
            let weak = try #require(PublicKey(bytes: bytes))
            #expect(throws: SecretsError.self) { try MailSeal.seal(content, to: weak) }
        }
    }
}
