import MeshModel
import Secrets
import Testing

@Suite("A signature is the signer's, over exactly this")
struct SignatureTests {
    /// RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
    static let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                + "d25bf5f0595bbe24655141438e7a100b"
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
                + "387b2eaeb4302aeeb00d291612bb0c00"
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
                + "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ]

    @Test("Keys and signatures are those of RFC 8032 section 7.1", arguments: vectors)
    func vector(seed: String, publicKey: String, message: String, signature: String) throws {
        let key = try SigningKey(seed: secretBytes(seed))
        let message = try bytes(message)
        #expect(try key.publicKey.bytes == bytes(publicKey))
        #expect(try key.sign(message) == bytes(signature))
        #expect(try Signatures.verify(bytes(signature), of: message, by: key.publicKey))
    }

    @Test("A changed bit of message, signature or key is refused")
    func changed() throws {
        let key = try SigningKey()
        let message = Array("meshproof node document v1\0{}".utf8)
        let signature = key.sign(message)
        #expect(Signatures.verify(signature, of: message, by: key.publicKey))
        for bit in 0..<message.count * 8 {
            var other = message
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!Signatures.verify(signature, of: other, by: key.publicKey))
        }
        for bit in 0..<512 {
            var other = signature
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!Signatures.verify(other, of: message, by: key.publicKey))
        }
        for bit in 0..<256 {
            var other = key.publicKey.bytes
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            let otherKey = try #require(PublicKey(bytes: other))
            #expect(!Signatures.verify(signature, of: message, by: otherKey))
        }
    }

    @Test("A signature of another length is refused", arguments: [0, 1, 63, 65, 128])
    func wrongLength(count: Int) throws {
        let key = try SigningKey()
        let signature = Array((key.sign([1]) + key.sign([1])).prefix(count))
        #expect(!Signatures.verify(signature, of: [1], by: key.publicKey))
    }

    @Test("The zero key signs nothing")
    func zeroKey() {
        #expect(!Signatures.verify([UInt8](repeating: 0, count: 64), of: [], by: .zero))
    }

    @Test("The seed makes the same key again")
    func seed() throws {
        let key = try SigningKey()
        let again = try SigningKey(seed: key.seed)
        #expect(again.publicKey == key.publicKey)
        #expect(again.sign([1, 2]) == key.sign([1, 2]))
    }
}
