import LinuxSystem
import MeshModel
import Secrets
import Testing

@Suite("Secrets show themselves to nobody")
struct SecretBytesTests {
    @Test("No way of printing a secret shows its bytes")
    func silent() throws {
        var source = Array("hunter2 hunter2!".utf8)
        let secret = try SecretBytes(wiping: &source)
        let slice = try #require(SecretSlice(secret, width: 4, at: 0))
        let key = try SigningKey(
            seed: SecretBytes(copying: secretBytes(String(repeating: "68", count: 32))))
        var dumped = ""
        dump(secret, to: &dumped)
        dump(slice, to: &dumped)
        dump(key, to: &dumped)
        dump(try KeyEncryptionKey(SecretBytes(copying: key.seed)), to: &dumped)
        let texts = [
            dumped, "\(secret)", String(reflecting: secret), "\(slice)", "\(key)",
            String(reflecting: slice),
        ]
        for text in texts {
            #expect(
                !text.contains("hunter") && !text.contains("104") && !text.contains("68, "),
                "\(text)")
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test("The array a secret was made of is overwritten")
    func wiped() throws {
        var source: [UInt8] = [1, 2, 3]
        let secret = try SecretBytes(wiping: &source)
        #expect(source == [0, 0, 0])
        #expect(contents(secret) == [1, 2, 3])
    }

    @Test("Secrets are equal where all bytes are")
    func equality() throws {
        let one = try secretBytes("0102")
        #expect(one.equals(try secretBytes("0102")))
        #expect(!one.equals(try secretBytes("0103")))
        #expect(!one.equals(try secretBytes("01")))
        #expect(try secretBytes("").equals(secretBytes("")))
    }

    @Test("Random secrets differ")
    func random() throws {
        #expect(!(try SecretBytes(random: 32).equals(SecretBytes(random: 32))))
    }

    @Test(
        "A secret that nobody could hold is an error and not a trap",
        arguments: [-1, Int.max, Int.min])
    func impossible(count: Int) {
        #expect(refusal { _ = try SecretBytes(random: count) } == .memory)
    }

    @Test("Text and secret are each other's, for every length up to 100")
    func text() throws {
        for count in 0...100 {
            let secret = try SecretBytes(random: count)
            let text = SecretText.encode(secret)
            #expect(text == Base64.encode(contents(secret)))
            #expect(try SecretText.decode(text, count: count)?.equals(secret) == true)
            #expect(try SecretText.decode(text, count: count + 1) == nil)
            if count > 0 { #expect(try SecretText.decode(text, count: count - 1) == nil) }
        }
    }

    @Test(
        "Text that is no canonical base64 of the right length is refused",
        arguments: [
            "", "AAAA", "AAAAAAA=", "AAAAAA", "AAAAAA==\n", " AAAAAA==", "AAAAAA==A", "AAAAAB==",
            "AAA-AA==",
            "AAAAAA\u{e9}=", "=AAAAA==",
        ])
    func badText(text: String) throws {
        #expect(try SecretText.decode(text, count: 4) == nil)
        #expect(try SecretText.decode("AAAAAA==", count: 4) != nil)
    }

    @Test("A digest is the one that FIPS 180-4's examples give")
    func digests() throws {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(Digests.sha256(Array("abc".utf8)) == expected)
        try withFolder { folder in
            try Files.replace("\(folder)/abc", with: Array("abc".utf8))
            #expect(try Digests.sha256(file: "\(folder)/abc") == expected)
            let large = [UInt8](repeating: 7, count: 3_000_001)
            try Files.replace("\(folder)/large", with: large)
            #expect(try Digests.sha256(file: "\(folder)/large") == Digests.sha256(large))
            #expect(throws: SystemError.self) { try Digests.sha256(file: "\(folder)/none") }
        }
    }
}
