import MeshModel
import SSHTunnel
import Testing

@Suite("The tunnel server's texts")
struct TunnelServerTextTests {
    private let files = TunnelServerFiles(
        hostKey: "/k/host", authorizedKeys: "/r/authorized_keys", pid: "/r/pid", jail: "/r/jail")

    private func key(_ byte: UInt8) throws -> PublicKey {
        try #require(PublicKey(bytes: [UInt8](repeating: byte, count: 32)))
    }

    private func tcp(_ text: String) throws -> TunnelEnd {
        .tcp(try #require(SocketEndpoint(text)))
    }

    private func server(_ grants: [TunnelGrant]) throws -> DesiredTunnelServer {
        DesiredTunnelServer(
            addresses: [
                try #require(IPAddress("2001:db8::1")), try #require(IPAddress("192.0.2.1")),
            ],
            port: 2222, user: "mp-home", hostKey: try key(9), grants: grants)
    }

    /// Everything but comments and empty lines.
    private func settings(_ text: String) -> [String] {
        text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
    }

    @Test("The configuration is exactly this, and nothing is left to a default that matters")
    func configuration() throws {
        let text = TunnelServerText.configuration(try server([]), files: files, mesh: "home")
        #expect(
            settings(text) == [
                "ListenAddress 192.0.2.1:2222", "ListenAddress [2001:db8::1]:2222",
                "HostKey /k/host", "PidFile /r/pid", "AllowUsers mp-home", "PermitRootLogin no",
                "AuthenticationMethods publickey", "PubkeyAuthentication yes",
                "PasswordAuthentication no", "KbdInteractiveAuthentication no",
                "HostbasedAuthentication no", "UsePAM no", "StrictModes yes",
                "AuthorizedKeysFile /r/authorized_keys", "AuthorizedKeysCommand none",
                "AuthorizedPrincipalsFile none", "TrustedUserCAKeys none", "MaxAuthTries 3",
                "LoginGraceTime 15", "MaxStartups 100:30:400", "MaxSessions 0", "PermitTTY no",
                "ForceCommand /usr/sbin/nologin", "PermitUserRC no", "PermitUserEnvironment no",
                "AllowAgentForwarding no", "X11Forwarding no", "PermitTunnel no",
                "GatewayPorts no", "PermitListen none", "PrintMotd no", "PrintLastLog no",
                "Banner none", "DisableForwarding no", "AllowTcpForwarding local",
                "AllowStreamLocalForwarding no", "ChrootDirectory /r/jail",
                "KexAlgorithms -ecdh-sha2-*,diffie-hellman-*", "HostKeyAlgorithms ssh-ed25519",
                "PubkeyAcceptedAlgorithms ssh-ed25519",
                "Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
                "MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
                "Compression no", "ClientAliveInterval 10", "ClientAliveCountMax 3", "UseDNS no",
                "LogLevel INFO",
            ])
    }

    @Test("Unix sockets are forwarded only where one is granted")
    func sockets() throws {
        let grant = TunnelGrant(
            node: "edge", key: try key(1), targets: [.unix("/run/postgresql/.s.PGSQL.5432")],
            sources: [])
        let text = TunnelServerText.configuration(try server([grant]), files: files, mesh: "home")
        #expect(settings(text).contains("AllowStreamLocalForwarding local"))
    }

    @Test("A line of authorized_keys permits what is granted and restricts all else")
    func lines() throws {
        let grants = [
            TunnelGrant(
                node: "edge", key: try key(1),
                targets: [try tcp("127.0.0.1:5432"), try tcp("[::1]:8443")],
                sources: [
                    try #require(IPAddress("2001:db8::7")), try #require(IPAddress("192.0.2.7")),
                ]),
            TunnelGrant(
                node: "gpu", key: try key(2), targets: [.unix("/run/a/b.sock")], sources: []),
            TunnelGrant(node: "phone", key: try key(3), targets: [], sources: []),
        ]
        // The key: two strings with their lengths, `ssh-ed25519` and 32 bytes.
        let first = "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
        let second = "AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC"
        let third = "AAAAC3NzaC1lZDI1NTE5AAAAIAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD"
        #expect(
            TunnelServerText.authorizedKeys(grants, mesh: "home") == """
                # Who may open tunnels to this node in the mesh home, made by meshproof.
                restrict,port-forwarding,permitopen="127.0.0.1:5432",permitopen="[::1]:8443",\
                from="192.0.2.7,2001:db8::7" ssh-ed25519 \(first) edge
                restrict,port-forwarding,permitopen="[/run/a/b.sock]:*" ssh-ed25519 \(second) gpu
                restrict,port-forwarding,permitopen="nowhere.invalid:1" ssh-ed25519 \(third) phone

                """)
    }

    @Test("The grants of one key from the same places are one line, since sshd goes by the first")
    func merged() throws {
        let grants = [
            TunnelGrant(
                node: "edge", key: try key(1), targets: [try tcp("127.0.0.1:1")], sources: []),
            TunnelGrant(
                node: "edge", key: try key(1), targets: [try tcp("127.0.0.1:2")], sources: []),
        ]
        let lines = GrantLine.lines(of: grants)
        #expect(lines.count == 1)
        #expect(lines.first?.ports.count == 2)
    }

    @Test("What is written is read back the same, and nothing else is taken for it")
    func parsed() throws {
        let lines = GrantLine.lines(of: [
            TunnelGrant(
                node: "edge", key: try key(1),
                targets: [try tcp("[::1]:80"), .unix("/run/x/.s.PGSQL.5432")],
                sources: [try #require(IPAddress("192.0.2.7"))]),
            TunnelGrant(node: "", key: try key(2), targets: [], sources: []),
        ])
        #expect(lines.count == 2)
        for line in lines { #expect(GrantLine(line.description) == line) }
        let good = lines[0].description
        for bad in [
            "", "ssh-ed25519 AAAA edge", good.replacing("restrict,", with: ""),
            good.replacing("restrict", with: "pty,restrict"), good.replacing(":80", with: ":*"),
            good.replacing("ssh-ed25519", with: "ssh-rsa"), good + " command",
            good.replacing("192.0.2.7", with: "*"), good.replacing("/x/", with: "/../"),
        ] {
            #expect(GrantLine(bad) == nil, "\(bad)")
        }
    }

    @Test(
        "A path that could mean something else is not granted",
        arguments: [
            "", "/", "/s", "run/x/s", "/run//s", "/run/../s", "/run/x/", "/run/x/a b", "/run/x/\"",
            "/run/x/a]:*", "/run/x/*", "/run/x/a,b", "/run/x/\n", "/run/x/ü",
            "/run/" + String(repeating: "x", count: 103),
        ])
    func paths(_ path: String) throws {
        #expect(!GrantLine.isSocketPath(path))
        let line = GrantLine.lines(of: [
            TunnelGrant(node: "edge", key: try key(1), targets: [.unix(path)], sources: [])
        ])[0]
        #expect(line.sockets.isEmpty)
    }

    @Test("A name cannot end the line or begin another word")
    func names() throws {
        let line = GrantLine.lines(of: [
            TunnelGrant(node: "a b\nc\"", key: try key(1), targets: [], sources: [])
        ])[0]
        #expect(line.node == "abc")
    }

    @Test("Keys that lost something are told from those that gained or kept")
    func narrowed() throws {
        let here = try #require(IPAddress("192.0.2.7"))
        let there = try #require(IPAddress("192.0.2.8"))
        func lines(
            _ targets: [String], _ sources: [IPAddress] = [], sockets: [String] = []
        ) throws -> [GrantLine] {
            var ends = try targets.map { try tcp($0) }
            ends += sockets.map { TunnelEnd.unix($0) }
            return GrantLine.lines(of: [
                TunnelGrant(node: "edge", key: try key(1), targets: ends, sources: sources)
            ])
        }
        let (one, two) = ("127.0.0.1:1", "127.0.0.1:2")
        func loses(_ old: [GrantLine], _ new: [GrantLine]) -> Bool {
            !GrantLine.narrowed(from: old, to: new).isEmpty
        }
        #expect(try !loses(lines([one]), lines([one])))
        #expect(try !loses(lines([one]), lines([one, two])))
        #expect(try loses(lines([one, two]), lines([one])))
        #expect(try loses(lines([one]), []))
        #expect(try loses(lines([one]), lines([one], [here])))
        #expect(try !loses(lines([one], [here]), lines([one])))
        #expect(try !loses(lines([one], [here]), lines([one], [here, there])))
        #expect(try loses(lines([one], [here, there]), lines([one], [here])))
        #expect(try loses(lines([], sockets: ["/a/b"]), lines([one])))
        #expect(try !loses(lines([], sockets: ["/a/b"]), lines([one], sockets: ["/a/b"])))
    }
}
