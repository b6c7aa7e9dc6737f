import LinuxSystem
package import MeshModel
import SSHTunnel
package import Secrets

/// The node's private keys, one of a kind and generation, and the preshared keys it was given. None leaves the node.
package final class NodeKeys {
    private let folders: NodeFolders
    private let storage: any NodeStorage
    private var known: [Int: PublicKey]?
    private var knownMail: [Int: PublicKey]?

    /// The keys in a mesh's folders.
    package init(_ folders: NodeFolders, _ storage: any NodeStorage) {
        self.folders = folders
        self.storage = storage
    }

    /// The public half of each key there is.
    package func publicKeys() throws(NodeError) -> [Int: PublicKey] {
        if let known { return known }
        var keys: [Int: PublicKey] = [:]
        for generation in 0...9 {
            if let key = try privateKey(generation) { keys[generation] = try publicKey(of: key) }
        }
        known = keys
        return keys
    }

    /// A generation's private key, or nil.
    package func privateKey(_ generation: Int) throws(NodeError) -> SecretBytes? {
        guard (0...9).contains(generation) else { return nil }
        do { return try storage.readSecret(folders.key(generation: generation)) } catch {
            throw NodeError("read private key", error)
        }
    }

    /// Makes a generation's key if there is none, and tells its public half.
    package func prepare(_ generation: Int) throws(NodeError) -> PublicKey {
        guard (0...9).contains(generation) else {
            throw NodeError(
                .usage, "make private key", "", "generation \(generation) is not in 0...9")
        }
        if let there = try publicKeys()[generation] {
            _ = try prepareMailKey(generation)
            return there
        }
        let made = try make(folders.key(generation: generation))
        _ = try prepareMailKey(generation)
        return made
    }

    /// Has the key of one set, and its mail key, stand for another set as well, in place of what was there.
    ///
    /// The mail key first: a set without one is given a new one, which the controller would not know.
    /// *Idempotency:* as often as wanted.
    package func carry(_ former: Int, to generation: Int) throws(NodeError) {
        guard (0...9).contains(generation), let key = try privateKey(former),
            let mailKey = try mailKey(former)
        else { throw NodeError(.storage, "carry private key", "", "set \(former) is not whole") }
        try forget(generation: generation)
        do {
            try storage.writeSecret(mailKey, to: folders.mailKey(generation: generation))
            try storage.writeSecret(key, to: folders.key(generation: generation))
        } catch {
            throw NodeError("carry private key", error)
        }
    }

    /// The public half of each mail key there is.
    package func mailPublicKeys() throws(NodeError) -> [Int: PublicKey] {
        if let knownMail { return knownMail }
        var keys: [Int: PublicKey] = [:]
        for generation in 0...9 {
            if let key = try mailKey(generation) { keys[generation] = try publicKey(of: key) }
        }
        knownMail = keys
        return keys
    }

    /// A generation's private mail key, or nil.
    package func mailKey(_ generation: Int) throws(NodeError) -> SecretBytes? {
        guard (0...9).contains(generation) else { return nil }
        do { return try storage.readSecret(folders.mailKey(generation: generation)) } catch {
            throw NodeError("read mail key", error)
        }
    }

    /// Makes the mail keys that sets from before there was mail have not got.
    package func prepareMailKeys() throws(NodeError) {
        for generation in try publicKeys().keys.sorted() { _ = try prepareMailKey(generation) }
    }

    /// A mail key comes and goes with the WireGuard key of its set: what was sealed for a set that is over is over, too.
    private func prepareMailKey(_ generation: Int) throws(NodeError) -> PublicKey {
        if let there = try mailPublicKeys()[generation] { return there }
        return try make(folders.mailKey(generation: generation))
    }

    private func make(_ path: String) throws(NodeError) -> PublicKey {
        do {
            let key = try WireGuardKeys.generate()
            try storage.writeSecret(key, to: path)
            known = nil
            knownMail = nil
            return try publicKey(of: key)
        } catch let error as SecretsError {
            throw NodeError("make private key", error)
        } catch let error as NodeError {
            throw error
        } catch {
            throw NodeError(.storage, "make private key", "", "\(error)")
        }
    }

    /// Wipes a generation's private key, and its mail key.
    package func forget(generation: Int) throws(NodeError) {
        known = nil
        knownMail = nil
        do {
            try storage.wipe(folders.key(generation: generation))
            try storage.wipe(folders.mailKey(generation: generation))
        } catch {
            throw NodeError("wipe private key", error)
        }
    }

    /// Wipes the SSH keys of a set, which are counted apart from WireGuard's.
    package func forgetSSH(generation: Int) throws(NodeError) {
        for path in [
            folders.clientKey(generation: generation), folders.hostKey(generation: generation),
        ] {
            do { try storage.wipe(path) } catch { throw NodeError("wipe SSH key", error) }
        }
    }

    /// The public half of the key that this node's tunnels show, which is made if there is none.
    package func sshClientKey(_ generation: Int) throws(NodeError) -> PublicKey {
        try prepareSSH(generation, folders.clientKey)
    }

    /// The public half of the key that this node's tunnel server has, which is made if there is none.
    package func sshHostKey(_ generation: Int) throws(NodeError) -> PublicKey {
        try prepareSSH(generation, folders.hostKey)
    }

    /// The public half of each client key there is.
    package func sshClientKeys() throws(NodeError) -> [Int: PublicKey] {
        try sshKeys(folders.clientKey)
    }

    /// The public half of each host key there is.
    package func sshHostKeys() throws(NodeError) -> [Int: PublicKey] {
        try sshKeys(folders.hostKey)
    }

    /// The public halves of each pair of SSH keys that is whole.
    package func sshPublicKeys() throws(NodeError) -> [Int: SSHNodeKeys] {
        let hosts = try sshHostKeys()
        var pairs: [Int: SSHNodeKeys] = [:]
        for (generation, client) in try sshClientKeys() {
            pairs[generation] = hosts[generation].map { SSHNodeKeys(client: client, host: $0) }
        }
        return pairs
    }

    private func sshKeys(_ path: (Int) -> String) throws(NodeError) -> [Int: PublicKey] {
        var keys: [Int: PublicKey] = [:]
        for generation in 0...9 {
            do { keys[generation] = try SSHKeyPair.publicKey(ofFile: path(generation)) } catch {
                throw NodeError("read SSH key", error)
            }
        }
        return keys
    }

    private func prepareSSH(
        _ generation: Int, _ path: (Int) -> String
    ) throws(NodeError) -> PublicKey {
        guard (0...9).contains(generation) else {
            throw NodeError(.usage, "make SSH key", "", "generation \(generation) is not in 0...9")
        }
        let file = path(generation)
        let made: Swift.Result<PublicKey, NodeError>
        do throws(SSHKeyError) {
            if let there = try SSHKeyPair.publicKey(ofFile: file) { return there }
            made = try SSHKeyPair.generate { (bytes, key) throws(NodeError) in
                try keepRaw(bytes, file)
                return key
            }
        } catch {
            throw NodeError("make SSH key", error)
        }
        return try made.get()
    }

    private func keepRaw(_ bytes: UnsafeRawBufferPointer, _ file: String) throws(NodeError) {
        do {
            let secret = try SecretBytes(count: bytes.count) { $0.copyMemory(from: bytes) }
            try storage.writeRaw(secret, to: file)
        } catch let error as SecretsError {
            throw NodeError("keep SSH key", error)
        } catch let error as SystemError {
            throw NodeError("keep SSH key", error)
        } catch {
            throw NodeError(.storage, "keep SSH key", file, "\(error)")
        }
    }

    /// A preshared key, or nil.
    package func presharedKey(_ id: PresharedKeyID) throws(NodeError) -> SecretBytes? {
        guard let path = path(of: id) else { return nil }
        do { return try storage.readSecret(path) } catch {
            throw NodeError("read preshared key", error)
        }
    }

    /// Keeps a preshared key under its name.
    package func keep(_ key: SecretBytes, as id: PresharedKeyID) throws(NodeError) {
        guard let path = path(of: id) else {
            throw NodeError(.damaged, "keep preshared key", "", "a name that is not 32 hex digits")
        }
        do { try storage.writeSecret(key, to: path) } catch {
            throw NodeError("keep preshared key", error)
        }
    }

    /// The names of the preshared keys there are.
    package func presharedKeyIDs() -> Set<PresharedKeyID> {
        Set(
            storage.list(folders.presharedKeys).compactMap { name in
                guard name.hasSuffix(".key") else { return nil }
                let id = PresharedKeyID(rawValue: String(name.dropLast(4)))
                return Self.isName(id) ? id : nil
            })
    }

    /// Wipes every preshared key that is not in `wanted`, and what is left of one that was never wholly written.
    package func forgetPresharedKeys(except wanted: Set<PresharedKeyID>) throws(NodeError) {
        let ids = storage.list(folders.presharedKeys).compactMap { name in
            name.firstRange(of: ".key").map {
                PresharedKeyID(rawValue: String(name[..<$0.lowerBound]))
            }
        }
        for id in Set(ids).subtracting(wanted) {
            guard let path = path(of: id) else { continue }
            do { try storage.wipe(path) } catch { throw NodeError("wipe preshared key", error) }
        }
    }

    /// Whether it is 32 lower-case hexadecimal digits; a name becomes a path, so nothing else may pass.
    package static func isName(_ id: PresharedKeyID) -> Bool {
        id.rawValue.utf8.count == 32
            && id.rawValue.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private func path(of id: PresharedKeyID) -> String? {
        Self.isName(id) ? "\(folders.presharedKeys)/\(id.rawValue).key" : nil
    }

    private func publicKey(of key: SecretBytes) throws(NodeError) -> PublicKey {
        do { return try WireGuardKeys.publicKey(of: key) } catch {
            throw NodeError("derive public key", error)
        }
    }
}
