/// The text of the tunnel server's systemd unit. Its sessions live on when it is stopped or restarted.
///
/// *Source:* systemd.service(5), systemd.exec(5); what sshd does between fork and the end of a session.
enum TunnelServerUnit {
    /// The unit of a mesh's server: `sshd` with the files of `folders`, looked after by `program`.
    static func text(_ folders: NodeFolders, sshd: String, program: String) -> String {
        """
        # Made by meshproof's agent; overwritten when the tunnels change, removed by `meshproof down`.
        [Unit]
        Description=meshproof tunnel server for the mesh \(folders.mesh)
        Documentation=man:sshd(8)
        After=network.target
        StartLimitIntervalSec=0

        [Service]
        Type=exec
        # The host's own sshd takes this folder away when it is stopped.
        ExecStartPre=+/bin/mkdir -p -m 0755 /run/sshd
        ExecStart=\(sshd) -D -f \(folders.tunnelConfiguration) -E \(folders.tunnelLog)
        ExecStartPost=-+\(program) node tunnel-server hurry --mesh \(folders.mesh)
        Restart=always
        RestartSec=2
        # Sessions are processes of their own and outlive the listener.
        KillMode=process
        SendSIGHUP=no
        LimitNOFILE=65536
        LimitCORE=0
        UMask=0077
        TasksMax=infinity
        OOMScoreAdjust=-500

        # What sshd needs: to become the tunnels' user, to shut itself in, and to pass signals on to a session.
        CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SYS_CHROOT CAP_KILL CAP_NET_BIND_SERVICE
        NoNewPrivileges=yes
        RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
        SystemCallArchitectures=native
        SystemCallFilter=@system-service @chown @setuid chroot
        SystemCallErrorNumber=EPERM
        ProtectSystem=strict
        ReadWritePaths=\(folders.tunnels)
        ProtectHome=yes
        PrivateTmp=yes
        PrivateDevices=yes
        ProtectClock=yes
        ProtectControlGroups=yes
        ProtectHostname=yes
        ProtectKernelLogs=yes
        ProtectKernelModules=yes
        ProtectKernelTunables=yes
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes

        """
    }
}
