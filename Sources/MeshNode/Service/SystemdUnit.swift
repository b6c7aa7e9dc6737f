/// The text of the agent's systemd unit: restarted whatever happens, watched, and shut into a sandbox.
///
/// *Source:* systemd.service(5), systemd.exec(5).
package enum SystemdUnit {
    /// What the agent exits with after `down`, so that systemd does not start it again.
    package static let goneExitCode: Int32 = 85

    /// The unit for a mesh, running `program`.
    package static func text(mesh: String, program: String) -> String {
        """
        # Made by `meshproof node enroll`; overwritten by the next one, removed by `meshproof down`.
        [Unit]
        Description=meshproof agent for the mesh \(mesh)
        Documentation=man:wg(8)
        # Those that load a whole ruleset, some after flushing the old one, come first.
        After=network.target nss-lookup.target nftables.service firewalld.service ufw.service
        StartLimitIntervalSec=0

        [Service]
        Type=notify
        NotifyAccess=main
        ExecStart=\(program) node agent --mesh \(mesh)
        ExecReload=/bin/kill -HUP $MAINPID
        Restart=always
        RestartSec=2
        RestartPreventExitStatus=\(goneExitCode)
        SuccessExitStatus=\(goneExitCode)
        WatchdogSec=120
        TimeoutStopSec=20
        # After `down`, and not before the agent has ended, which would lose these very settings while it runs. Outside
        # of the unit, in which the two folders are mounts; with the last mesh they are empty.
        ExecStopPost=-+/bin/sh -c '[ -e /etc/systemd/system/meshproof-\(mesh).service ] || \
        systemd-run --quiet --collect --no-block /bin/sh -c "systemctl daemon-reload; \
        rmdir --ignore-fail-on-non-empty /run/meshproof /var/lib/meshproof"'
        # A backtrace prints memory, and memory holds keys.
        Environment=SWIFT_BACKTRACE=enable=no
        LimitCORE=0
        # Each connection that a tunnel carries takes a descriptor.
        LimitNOFILE=65536
        # wireguard-go carries the data plane and outlives the agent.
        KillMode=process
        RuntimeDirectory=meshproof wireguard
        RuntimeDirectoryMode=0700
        RuntimeDirectoryPreserve=yes
        UMask=0077

        # Interfaces, routes and devices need the one capability; the kernel loads its own module.
        CapabilityBoundingSet=CAP_NET_ADMIN
        NoNewPrivileges=yes
        RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallErrorNumber=EPERM
        DevicePolicy=closed
        DeviceAllow=/dev/net/tun rw
        ProtectSystem=strict
        # State; and, so that `down` can remove them, the unit and the program.
        ReadWritePaths=/var/lib/meshproof /run/meshproof
        ReadWritePaths=-/etc/systemd/system -/usr/local/lib
        ProtectHome=yes
        PrivateTmp=yes
        ProtectClock=yes
        ProtectControlGroups=yes
        ProtectHostname=yes
        ProtectKernelLogs=yes
        ProtectKernelModules=yes
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes

        [Install]
        WantedBy=multi-user.target

        """
    }
}
