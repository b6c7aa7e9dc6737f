import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel
import Testing

@Suite("A node's SSH keys")
struct SSHKeyPairTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/meshproof-keys-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp", errno: errno) }
        let folder = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? Files.removeTree(folder) }
        try body(folder)
    }

    @Test("are what ssh-keygen takes for an Ed25519 key, with the public half that we say")
    func generated() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            let key = try SSHKeyPair.generate { (bytes, key) throws(SystemError) in
                try Files.replace(path, withRaw: bytes)
                return key
            }.get()
            let told = try Child.run(["ssh-keygen", "-y", "-P", "", "-f", path])
            #expect(told.status.isSuccess, "\(told.errorText)")
            #expect(PublicKey(openSSHText: told.text) == key)
            #expect(try SSHKeyPair.publicKey(ofFile: path) == key)
            #expect(
                String(decoding: try Files.read(path).prefix(36), as: UTF8.self)
                    == "-----BEGIN OPENSSH PRIVATE KEY-----\n")
        }
    }

    @Test("are never the same twice")
    func random() throws {
        let keys = try (0..<8).map { _ in
            try SSHKeyPair.generate { (_, key) throws(SystemError) in key }.get()
        }
        #expect(Set(keys).count == 8)
    }

    @Test("A file that others can read, a link and what is no Ed25519 key are refused")
    func refused() throws {
        try withFolder { folder in
            #expect(try SSHKeyPair.publicKey(ofFile: "\(folder)/none") == nil)
            for (name, kind) in [("rsa", "rsa"), ("ed", "ed25519"), ("locked", "ed25519")] {
                let made = try Child.run([
                    "ssh-keygen", "-q", "-t", kind, "-N", name == "locked" ? "secret" : "", "-f",
                    "\(folder)/\(name)",
                ])
                try #require(made.status.isSuccess)
            }
            #expect(try SSHKeyPair.publicKey(ofFile: "\(folder)/ed") != nil)
            #expect(throws: SSHKeyError.self) {
                try SSHKeyPair.publicKey(ofFile: "\(folder)/rsa")
            }
            #expect(throws: SSHKeyError.self) {
                try SSHKeyPair.publicKey(ofFile: "\(folder)/locked")
            }
            try check("symlink") { symlink("\(folder)/ed", "\(folder)/link") }
            #expect(throws: SSHKeyError.self) {
                try SSHKeyPair.publicKey(ofFile: "\(folder)/link")
            }
            try check("chmod") { chmod("\(folder)/ed", 0o644) }
            #expect(throws: SSHKeyError.self) {
                try SSHKeyPair.publicKey(ofFile: "\(folder)/ed")
            }
        }
    }
}
