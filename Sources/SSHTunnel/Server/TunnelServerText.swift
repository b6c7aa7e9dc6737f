public import MeshModel

/// The texts that a node's tunnel server runs on. Pure: the same values always make the same bytes.
///
/// *Source:* sshd_config(5), sshd(8) "AUTHORIZED_KEYS FILE FORMAT"; OpenSSH 8.5 to 10.
public enum TunnelServerText {
    /// The configuration of the sshd that carries tunnels and does nothing else.
    public static func configuration(
        _ server: DesiredTunnelServer, files: TunnelServerFiles, mesh: String
    ) -> String {
        let addresses = Set(server.addresses).sorted().map { address in
            "ListenAddress \(SocketEndpoint(address, server.port))\n"
        }
        let hasSockets = server.grants.contains { $0.targets.contains(where: \.isSocket) }
        return """
            # The tunnel server of the mesh \(mesh), made by meshproof. Changes are overwritten.
            \(addresses.joined())HostKey \(files.hostKey)
            PidFile \(files.pid)

            # One user, by key only.
            AllowUsers \(server.user)
            PermitRootLogin no
            AuthenticationMethods publickey
            PubkeyAuthentication yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            HostbasedAuthentication no
            UsePAM no
            StrictModes yes
            AuthorizedKeysFile \(files.authorizedKeys)
            AuthorizedKeysCommand none
            AuthorizedPrincipalsFile none
            TrustedUserCAKeys none
            MaxAuthTries 3
            LoginGraceTime 15
            MaxStartups 100:30:400

            # No session channel can be had, so no shell, command, subsystem, terminal, agent or X11. What
            # follows says the same once more, should one ever be had.
            MaxSessions 0
            PermitTTY no
            ForceCommand /usr/sbin/nologin
            PermitUserRC no
            PermitUserEnvironment no
            AllowAgentForwarding no
            X11Forwarding no
            PermitTunnel no
            GatewayPorts no
            PermitListen none
            PrintMotd no
            PrintLastLog no
            Banner none

            # Connections towards what each key's permitopen names, by a process that is shut into a folder where no
            # unix sockets are but granted ones.
            DisableForwarding no
            AllowTcpForwarding local
            AllowStreamLocalForwarding \(hasSockets ? "local" : "no")
            ChrootDirectory \(files.jail)

            # An exclusion, so that what an older or newer sshd has that is as good takes part: curve25519, and with
            # it sntrup761 or ML-KEM. Both ciphers authenticate; the MACs are named for clients that look for one.
            KexAlgorithms -ecdh-sha2-*,diffie-hellman-*
            HostKeyAlgorithms ssh-ed25519
            PubkeyAcceptedAlgorithms ssh-ed25519
            Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com
            MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com
            Compression no

            # A client that is gone is let go after 30 to 40 seconds.
            ClientAliveInterval 10
            ClientAliveCountMax 3
            UseDNS no
            LogLevel INFO

            """
    }

    /// The file of those who may come, a line for each key and the places it may come from.
    public static func authorizedKeys(_ grants: [TunnelGrant], mesh: String) -> String {
        "# Who may open tunnels to this node in the mesh \(mesh), made by meshproof.\n"
            + GrantLine.lines(of: grants).map { "\($0)\n" }.joined()
    }
}

extension TunnelEnd {
    /// Whether it is a unix socket.
    public var isSocket: Bool {
        if case .unix = self { return true }
        return false
    }
}
