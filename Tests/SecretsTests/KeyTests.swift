import MeshModel
import Secrets
import Testing

@Suite("Keys are the field's own")
struct KeyTests {
    @Test(
        "A public key is the one that RFC 7748 section 6.1 gives",
        arguments: [
            (
                "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
            ),
            (
                "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
            ),
        ])
    func publicKey(secret: String, expected: String) throws {
        let key = try secretBytes(secret)
        #expect(try WireGuardKeys.publicKey(of: key).bytes == bytes(expected))
    }

    @Test("A new private key is clamped as RFC 7748 section 5 says")
    func clamped() throws {
        for _ in 0..<200 {
            let key = contents(try WireGuardKeys.generate())
            #expect(key.count == 32)
            #expect(key[0] & 7 == 0)
            #expect(key[31] & 0xc0 == 0x40)
        }
    }

    @Test("No two new keys are the same")
    func different() throws {
        let keys = try (0..<100).map { _ in contents(try WireGuardKeys.generate()) }
        #expect(Set(keys).count == 100)
    }

    @Test("A private key of another length is refused", arguments: [0, 31, 33, 64])
    func wrongLength(count: Int) throws {
        let key = try SecretBytes(random: count)
        #expect(refusal { _ = try WireGuardKeys.publicKey(of: key) } == .length)
        #expect(refusal { _ = try SigningKey(seed: key) } == .length)
        #expect(refusal { _ = try KeyEncryptionKey(key) } == .length)
    }

    @Test("A preshared key's name is keyed BLAKE2b of it")
    func presharedName() throws {
        // hashlib.blake2b(bytes(range(32)), digest_size=16, key=b"meshproof psk id v1") of Python
        let key = try secretBytes(
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
        #expect(PresharedKeys.identify(key).rawValue == "e500ce3a3f415bb26ecc27fee85eba1c")
        #expect(
            PresharedKeys.identify(UnsafeRawBufferPointer(start: nil, count: 0)).rawValue.count
                == 32)
    }

    @Test("Many preshared keys in one piece are all different")
    func manyPresharedKeys() throws {
        let keys = try PresharedKeys.generate(count: 1000)
        #expect(keys.count == 32_000)
        let names = try (0..<1000).map { index in
            PresharedKeys.identify(try #require(SecretSlice(keys, width: 32, at: index)))
        }
        #expect(Set(names).count == 1000)
        #expect(SecretSlice(keys, width: 32, at: 1000) == nil)
        #expect(SecretSlice(keys, width: 32, at: -1) == nil)
        #expect(SecretSlice(keys, width: 0, at: 0) == nil)
    }
}
