import MeshModel
import TestSupport
import Testing

@Suite("Base64 and hexadecimal are strict, so that one value has one text")
struct Base64Tests {
    @Test(
        "the vectors of RFC 4648 section 10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func vectors(_ plain: String, _ text: String) {
        #expect(Base64.encode(Array(plain.utf8)) == text)
        #expect(Base64.decode(text) == Array(plain.utf8))
    }

    @Test(
        "what is not canonical is refused",
        arguments: [
            "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zh==", "Zm9=", "Zm8=Zm8=", "Zg==Zg==",
            "Zm 9", "Zm9v\n",
            "Zm-_", "Zm9vé", "Z=g=", "=Zg=",
        ])
    func refused(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("random bytes survive both")
    func roundTrip() {
        var random = SplitMix(6)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Base64.unhex(Base64.hex(bytes)) == bytes)
        }
    }

    @Test("any change to a text means other bytes, or none")
    func unique() {
        var random = SplitMix(7)
        let alphabet = Array("ABCDabcd0189+/= \n".utf8)
        for _ in 0..<5_000 {
            let bytes = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            var text = Array(Base64.encode(bytes).utf8)
            let at = Int.random(in: 0..<text.count, using: &random)
            let old = text[at]
            text[at] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            if text[at] != old {
                #expect(Base64.decode(String(decoding: text, as: UTF8.self)) != bytes)
            }
        }
    }

    @Test(
        "hexadecimal takes both cases, and nothing else", arguments: ["0", "0g", "0x", " 0", "é0"])
    func hexadecimal(_ bad: String) {
        #expect(Base64.unhex("00fFAb") == [0, 0xff, 0xab])
        #expect(Base64.hex([0, 0xff, 0xab]) == "00ffab")
        #expect(Base64.unhex(bad) == nil)
    }

    @Test("a public key is 44 characters of base64")
    func publicKey() throws {
        // The all-ones key, as `wg` would print it.
        let text = "//////////////////////////////////////////8="
        let key = try #require(PublicKey(text))
        #expect(key.bytes == [UInt8](repeating: 0xff, count: 32))
        #expect(key.description == text)
        #expect(PublicKey("AAAA") == nil)
        #expect(PublicKey(String(text.dropLast()) + "A") == nil)
        #expect(PublicKey.zero < key)
    }
}
