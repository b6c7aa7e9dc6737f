import Secrets
import TestSupport
import Testing

@Suite("A sealed file opens with its lock only, and says what is wrong with it")
struct SealedFileTests {
    private let key: KeyEncryptionKey
    private let secret: SecretBytes

    init() throws {
        key = try KeyEncryptionKey(SecretBytes(random: 32))
        secret = try SecretBytes(random: 300)
    }

    private func text(_ value: String) throws -> SecretBytes {
        var bytes = Array(value.utf8)
        return try SecretBytes(wiping: &bytes)
    }

    @Test("what a key sealed, it opens, and no other key and no passphrase does")
    func withKey() throws {
        let file = try SealedFile.seal(secret, key: key)
        #expect(try SealedFile.lock(of: file) == .key)
        #expect(try SealedFile.open(file, key: key).equals(secret))
        let other = try KeyEncryptionKey(SecretBytes(random: 32))
        #expect(refusal { _ = try SealedFile.open(file, key: other) } == .otherKey)
        #expect(refusal { _ = try SealedFile.open(file, passphrase: try text("x")) } == .otherKey)
    }

    @Test("what a passphrase sealed, it opens, and no other passphrase and no key does")
    func withPassphrase() throws {
        let file = try SealedFile.seal(
            secret, passphrase: try text("six words"), limits: .interactive)
        #expect(try SealedFile.lock(of: file) == .passphrase)
        #expect(try SealedFile.open(file, passphrase: try text("six words")).equals(secret))
        let wrong = refusal { _ = try SealedFile.open(file, passphrase: try text("Six words")) }
        #expect(wrong == .wrongPassphrase)
        #expect(refusal { _ = try SealedFile.open(file, key: key) } == .otherKey)
    }

    @Test("an empty passphrase is refused")
    func empty() throws {
        #expect(
            refusal { _ = try SealedFile.seal(secret, passphrase: try text("")) } == .length)
    }

    @Test("a file cut anywhere is damaged, and one of a newer format says so whatever follows")
    func cutAndNewer() throws {
        let file = try SealedFile.seal(secret, key: key)
        for count in 4..<file.count {
            let found = refusal { _ = try SealedFile.lock(of: Array(file.prefix(count))) }
            #expect(found == .damaged, "cut to \(count)")
        }
        #expect(refusal { _ = try SealedFile.lock(of: []) } == .malformed)
        #expect(refusal { _ = try SealedFile.lock(of: Array("-----BEGIN".utf8)) } == .malformed)
        var newer = file
        newer[4] = 2
        #expect(refusal { _ = try SealedFile.lock(of: newer) } == .format)
        #expect(refusal { _ = try SealedFile.lock(of: Array(newer.prefix(6))) } == .format)
    }

    @Test(
        "damage is found before a passphrase is asked for; what was made to look whole, by the seal"
    )
    func everyBit() throws {
        let file = try SealedFile.seal(secret, key: key)
        for index in file.indices {
            var changed = file
            changed[index] ^= 0x10
            #expect(refusal { _ = try SealedFile.lock(of: changed) } != nil, "byte \(index)")
            if index < file.count - 32 {
                let forged = SealedFile.redigest(changed)
                #expect(
                    refusal { _ = try SealedFile.open(forged, key: key) } != nil, "byte \(index)")
            }
        }
    }

    @Test("thousands of mutated files are refused, and none of them is anything else than an error")
    func fuzz() throws {
        let file = try SealedFile.seal(secret, key: key)
        var random = SplitMix(20_261_126)
        let allowed: Set<SecretsError.Code> = [
            .malformed, .damaged, .format, .otherKey, .tampered,
        ]
        var codes: Set<SecretsError.Code> = []
        for round in 0..<min(fuzzRounds(3_000), 10_000) {
            var changed = file
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    changed[Int.random(in: changed.indices, using: &random)] ^=
                        1 << UInt8.random(in: 0..<8, using: &random)
                case 1: changed.removeLast(Int.random(in: 0..<changed.count, using: &random))
                case 2: changed.append(contentsOf: random.bytes(5))
                default:
                    let at = Int.random(in: 0...changed.count, using: &random)
                    changed.insert(contentsOf: random.bytes(2), at: at)
                }
                if changed.isEmpty { changed = [0] }
            }
            // Half of them as somebody would who means harm, with a digest that is right again.
            if random.chance(2) { changed = SealedFile.redigest(changed) }
            if changed == file { continue }
            let code = refusal { _ = try SealedFile.open(changed, key: key) }
            #expect(code.map { allowed.contains($0) } == true, "round \(round): \(code as Any)")
            if let code { codes.insert(code) }
        }
        #expect(codes == allowed, "each kind of refusal was met")
    }
}
