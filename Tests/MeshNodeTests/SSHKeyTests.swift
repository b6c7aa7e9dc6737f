import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import SSHTunnel
import Testing

@Suite("The node's keys for SSH")
struct SSHKeyTests {
    @Test("are made once, are apart for host and client, and only root reads them")
    func made() throws {
        let world = try TestWorld()
        let host = try world.keys.sshHostKey(0)
        let client = try world.keys.sshClientKey(0)
        #expect(host != client)
        #expect(try world.keys.sshHostKey(0) == host)
        #expect(try world.keys.sshClientKey(0) == client)
        #expect(try world.keys.sshClientKeys() == [0: client])
        #expect(try world.keys.sshHostKeys() == [0: host])
        let path = world.folders.clientKey(generation: 0)
        #expect(Files.mode(path) == 0o600)
        #expect(try SSHKeyPair.publicKey(ofFile: path) == client)
        #expect(throws: NodeError.self) { try world.keys.sshHostKey(10) }
    }

    @Test("are wiped with their generation")
    func forgotten() throws {
        let world = try TestWorld()
        let old = try world.keys.sshHostKey(1)
        _ = try world.keys.sshClientKey(1)
        try world.keys.forgetSSH(generation: 1)
        #expect(!Files.exists(world.folders.hostKey(generation: 1)))
        #expect(!Files.exists(world.folders.clientKey(generation: 1)))
        #expect(try world.keys.sshHostKey(1) != old)
    }

    @Test("A damaged file is said to be one, and not replaced behind the mesh's back")
    func damaged() throws {
        let world = try TestWorld()
        _ = try world.keys.sshHostKey(0)
        let path = world.folders.hostKey(generation: 0)
        try Files.replace(path, with: Array("nonsense".utf8))
        let error = #expect(throws: NodeError.self) { try world.keys.sshHostKey(0) }
        #expect(error?.subject == path)
        #expect(try Files.read(path) == Array("nonsense".utf8))
    }
}
