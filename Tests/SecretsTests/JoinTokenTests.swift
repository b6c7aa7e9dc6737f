import LinuxSystem
import MeshModel
import Secrets
import Testing

@Suite("A token says what it was made with, once, and to nobody who mistypes it")
struct JoinTokenTests {
    static func invitation(_ node: String = "nas") throws -> JoinInvitation {
        JoinInvitation(
            id: try JoinToken.newID(), mesh: "homelab", node: node,
            hosts: ["198.51.100.7", "2001:db8::7", "hub.example"], port: 7443,
            expires: 1_800_000_000,
            controllerKey: try #require(PublicKey(bytes: [UInt8](repeating: 9, count: 32))))
    }

    @Test("what is printed is read again, also broken into lines by a terminal")
    func roundTrip() throws {
        let token = try JoinToken(try Self.invitation())
        let text = try token.text()
        #expect(text.hasPrefix("mpj1-"))
        let isSafe = text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }
        #expect(isSafe)
        let half = text.index(text.startIndex, offsetBy: 60)
        for form in [text, "  \(text)\n", "\(text[..<half])\r\n  \(text[half...])"] {
            let read = try JoinToken.read(form)
            #expect(read.invitation == token.invitation)
            #expect(try read.channelKey().equals(try token.channelKey()))
            #expect(try read.proof().equals(try token.proof()))
            #expect(try read.record() == token.record())
        }
    }

    @Test("two tokens of the same words have nothing in common but the words")
    func distinct() throws {
        let invitation = try Self.invitation()
        let (one, other) = (try JoinToken(invitation), try JoinToken(invitation))
        #expect(try !one.channelKey().equals(try other.channelKey()))
        #expect(try one.record() != other.record())
        // The two things that are made of one secret do not give each other away.
        #expect(try !one.channelKey().equals(try one.proof()))
    }

    @Test("every wrong, missing or doubled character is told, and nothing of the token with it")
    func mistyped() throws {
        let text = try JoinToken(try Self.invitation()).text()
        let characters = Array(text)
        for place in 5..<characters.count {
            var wrong = characters
            wrong[place] = wrong[place] == "A" ? "B" : "A"
            var missing = characters
            missing.remove(at: place)
            var doubled = characters
            doubled.insert(characters[place], at: place)
            for form in [wrong, missing, doubled] {
                let error = Self.error(String(form))
                #expect(error?.code == .damaged, "at \(place)")
                #expect(error?.description.contains(text.dropFirst(5).prefix(12)) == false)
            }
        }
    }

    @Test("what is no token, and one of another version, are told apart")
    func others() {
        #expect(Self.error("")?.code == .malformed)
        #expect(Self.error("hello")?.code == .malformed)
        #expect(Self.error(String(repeating: "mpj1-", count: 1000))?.code == .malformed)
        #expect(Self.error("mpj2-AAAA")?.code == .format)
        #expect(Self.error("mpj1-")?.code == .damaged)
        #expect(Self.error("mpj1-!!!!")?.code == .damaged)
    }

    @Test("noise behind the prefix is never a token")
    func noise() {
        let letters = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ =/+\u{e9}")
        for _ in 0..<3000 {
            let count = Int.random(in: 0...300)
            let text = "mpj1-" + String((0..<count).map { _ in letters.randomElement() ?? "A" })
            #expect(Self.error(text)?.code == .damaged)
        }
    }

    private static func error(_ text: String) -> SecretsError? {
        do {
            _ = try JoinToken.read(text)
            return nil
        } catch { return error }
    }
}

@Suite("Choosing and comparing secrets takes no branch and gives the right one")
struct ConstantTimeTests {
    @Test("the first or the second")
    func chooses() throws {
        let (one, other) = (try SecretBytes(random: 32), try SecretBytes(random: 32))
        #expect(try ConstantTime.choose(true, one, else: other).equals(one))
        #expect(try ConstantTime.choose(false, one, else: other).equals(other))
    }

    @Test("equal, or not by one bit or the length")
    func compares() {
        let bytes = [UInt8](0..<32)
        #expect(ConstantTime.equal(bytes, bytes))
        for bit in 0..<256 {
            var other = bytes
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!ConstantTime.equal(bytes, other))
        }
        #expect(!ConstantTime.equal(bytes, bytes + [0]))
    }
}
