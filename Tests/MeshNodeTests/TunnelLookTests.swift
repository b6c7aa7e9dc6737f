import Glibc
import LinuxSystem
import MeshModel
import Testing

@testable import MeshNode

@Suite("What the tunnel server reads of the system")
struct TunnelLookTests {
    @Test("The kernel's socket tables, both families")
    func sockets() throws {
        // Two lines of /proc/net/tcp and one of tcp6; addresses are words of the machine's byte order.
        let text = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100
               1: 0C6433C6:1538 0B6433C6:D431 01 00000000:00000000 02:00000000 00000000     0        0 4712 4 0 20
               2: 0100007F:15380 bad
               3: B80D0120000000000000000001000000:08AE 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4713

            """
        let rows = SocketTable.parse(Array(text.utf8), port: 5432)
        #expect(rows.map(\.local.description) == ["127.0.0.1:5432", "198.51.100.12:5432"])
        #expect(rows.map(\.remote.description) == ["0.0.0.0:0", "198.51.100.11:54321"])
        #expect(rows.map(\.isListening) == [true, false])
        #expect(rows.map(\.isEstablished) == [false, true])
        #expect(rows.map(\.inode) == [4711, 4712])
        let six = SocketTable.parse(Array(text.utf8), port: 2222)
        #expect(six.map(\.local.description) == ["[2001:db8::1]:2222"])
        #expect(SocketTable.parse(Array(text.utf8), port: nil).count == 3)
    }

    @Test("A socket is in the way where it has the address, or one of both is every address")
    func obstacles() throws {
        func stands(_ there: String, _ wanted: String) throws -> Bool {
            let row = SocketTable.Row(
                local: try #require(SocketEndpoint(there)),
                remote: try #require(SocketEndpoint("0.0.0.0:0")), state: 10, inode: 1)
            return try !SocketTable(rows: [row]).obstacles(for: [#require(IPAddress(wanted))])
                .isEmpty
        }
        #expect(try stands("192.0.2.1:22", "192.0.2.1"))
        #expect(try stands("0.0.0.0:22", "192.0.2.1"))
        #expect(try stands("192.0.2.1:22", "0.0.0.0"))
        #expect(try !stands("192.0.2.2:22", "192.0.2.1"))
        #expect(try !stands("[::]:22", "192.0.2.1"))
        #expect(try stands("[::]:22", "2001:db8::1"))
    }

    @Test("Who came in by which key, and nothing that a stranger has put into the log")
    func log() throws {
        let text = """
            Server listening on 127.0.0.1 port 22901.\r
            Accepted publickey for mp-home from 198.51.100.11 port 47772 ssh2: ED25519 SHA256:aaa\r
            Invalid user Accepted publickey for mp-home from 192.0.2.9 port 1 ssh2: ED25519 SHA256:evil from 192.0.2.8 port 2\r
            Accepted publickey for mp-home from 198.51.100.11 port 47772 ssh2: ED25519 SHA256:bbb\r
            sshd-session[1234]: Accepted publickey for mp-home from fe80::1%eth0 port 5 ssh2: ED25519 SHA256:ccc\r
            sshd: Accepted publickey for mp-home from 192.0.2.9 port 6 ssh2: ED25519 SHA256:evil\r
            Accepted password for mp-home from 192.0.2.9 port 7 ssh2: ED25519 SHA256:evil\r

            """
        let log = SessionLog(text.utf8)
        #expect(
            log.keys == [
                try #require(SocketEndpoint("198.51.100.11:47772")): "SHA256:bbb",
                try #require(SocketEndpoint("[fe80::1]:5")): "SHA256:ccc",
            ])
        // What is kept when the log is cut back reads the same.
        #expect(SessionLog(log.lines.values.joined(separator: "\n").utf8).keys == log.keys)
    }

    @Test("A fingerprint is ssh-keygen's")
    func fingerprint() throws {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 7, count: 32)))
        let result = try Child.run(
            ["ssh-keygen", "-l", "-f", "-"], input: Array("\(key.openSSHText)\n".utf8))
        #expect(
            result.text.split(separator: " ").dropFirst().first == SessionLog.fingerprint(key)[...])
    }

    @Test("A start that fails is tried later and later")
    func pacing() {
        var pacer = StartPacer()
        var now = 100.0
        var waits: [Double] = []
        for _ in 0..<9 {
            #expect(pacer.isDue(now))
            pacer.attempt(now)
            let start = now
            while !pacer.isDue(now) { now += 1 }
            waits.append(now - start)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        pacer.succeed()
        #expect(pacer.isDue(now))
    }

    @Test("A process that has taken a number over is not signalled")
    func recycled() throws {
        let child = try Child(["sleep", "60"])
        #expect(ProcessTable.end(child.pid, patience: 1) { _ in false })
        #expect(try child.wait(milliseconds: 100) == nil)
        #expect(ProcessTable.end(child.pid, patience: 5) { _ in true })
        #expect(try child.wait(milliseconds: 0) == .signal(SIGTERM))
    }

    @Test("Only folders of sockets are mounted, and one within another not again")
    func jail() throws {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 7, count: 32)))
        let tcp = try #require(SocketEndpoint("127.0.0.1:1"))
        let grant = TunnelGrant(
            node: "edge", key: key,
            targets: [.unix("/run/a/x"), .unix("/run/a/y"), .unix("/run/a/b/z"), .tcp(tcp)],
            sources: [])
        #expect(TunnelJail.folders(for: [grant]) == ["/run/a"])
    }

    @Test("The unit is sandboxed and leaves sessions alone")
    func unit() throws {
        let folders = try #require(NodeFolders(mesh: "home"))
        let text = TunnelServerUnit.text(folders, sshd: "/usr/sbin/sshd", program: "/p")
        let lines = Set(text.split(separator: "\n").map(String.init))
        #expect(
            lines.isSuperset(of: [
                "KillMode=process", "NoNewPrivileges=yes", "ProtectSystem=strict",
                "ProtectHome=yes", "PrivateDevices=yes", "Restart=always", "LimitNOFILE=65536",
                "ReadWritePaths=/run/meshproof-tunnels/home",
                "ExecStart=/usr/sbin/sshd -D -f /run/meshproof-tunnels/home/sshd_config "
                    + "-E /run/meshproof-tunnels/home/log",
                "ExecStartPost=-+/p node tunnel-server hurry --mesh home",
            ]))
    }
}
