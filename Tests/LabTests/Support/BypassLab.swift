import LinuxSystem
import MeshModel
import Testing

/// A mesh with many ways past it, which the guard is to close; one run of `verify` judges them all.
struct BypassLab {
    let world: VerifyLab

    /// - `inner` listens on bee's overlay addresses alone: the weak host model lets others in.
    /// - `boxed` is in a container on bee, published by a rule, `relayed` by a program, as Docker does either.
    /// - `wide` is to be on loopback, and listens everywhere; `web` may.
    /// - `gate`'s entrance on ant has a second listener beside it that leads into it.
    /// - `far` on bee only passes on to owl, in clear.
    /// - `cell` is in another namespace of ant, on a loopback of its own; `lent` is published from there to ant's.
    private static let tail = """
        services:
          web:     { on: bee, kind: http, port: 8080 }
          db:      { on: bee, kind: postgres, bind: loopback }
          note:    { on: ant, kind: http, port: 8090, bind: loopback }
          inner:   { on: bee, kind: http, port: 8081, bind: mesh }
          boxed:   { on: bee, kind: http, port: 8082 }
          relayed: { on: bee, kind: http, port: 8083 }
          wide:    { on: bee, kind: http, port: 8084, bind: loopback }
          gate:    { on: bee, kind: http, port: 8085, bind: loopback }
          far:     { on: bee, kind: http, port: 8086, bind: loopback }
          cell:    { on: ant, kind: http, port: 8091, bind: loopback }
          lent:    { on: ant, kind: http, port: 8092, bind: loopback }
        paths:
          data:
            edges:
              - ant -> web: wireguard
              - ant -> db: ssh
              - ant -> note: local
              - ant -> inner: wireguard
              - ant -> boxed: wireguard
              - ant -> relayed: wireguard
              - ant -> wide: ssh
              - ant -> gate: ssh
              - ant -> far: ssh
              - ant -> cell: local
              - ant -> lent: local
        """

    init(_ mesh: String) throws {
        world = try VerifyLab(mesh, guarded: false)
        try world.shell("bee", Self.container("172.31.0", published: "8082", "8083"))
        try world.shell("ant", Self.container("172.30.0", published: "", "8092"))
        try world.shell(
            "bee",
            """
            \(Self.page)
            page 10.88.0.2:8081; page [fd88::2]:8081; page [::]:8084; page 127.0.0.1:8085
            \(Self.forward(from: "127.0.0.1", "8086", to: "198.51.100.13", "9000"))
            """)
        try world.shell("owl", "\(Self.page)\npage 198.51.100.13:9000")
        try world.shell(
            "ant",
            """
            \(Self.page)
            ip netns exec box busybox httpd -p 127.0.0.1:8091 -h /tmp/page
            \(Self.forward(from: VerifyLab.ant, "8085", to: "127.0.0.1", "8085"))
            """)
        try guarded(false)
    }

    func guarded(_ isOn: Bool) throws { try world.guarded(isOn, tail: Self.tail) }

    /// Has ant and bee close the ways in by filters of their own, as operators do, before anything is translated; or not.
    func filter(_ isOn: Bool) throws {
        for host in ["ant", "bee"] {
            try world.shell(
                host,
                isOn
                    ? """
                    nft -f - <<'END'
                    table inet own {
                      chain in { type filter hook prerouting priority raw; policy accept;
                        iifname "eth0" tcp dport 8080-8092 drop; }
                    }
                    END
                    """ : "nft delete table inet own")
        }
    }

    private static let page = """
        mkdir -p /tmp/page && echo page >/tmp/page/index.html
        page() { busybox httpd -p $1 -h /tmp/page; }
        """

    private static func forward(
        from near: String, _ port: String, to far: String, _ target: String
    ) -> String {
        let folder = Traffic.program.split(separator: "/").dropLast().joined(separator: "/")
        let words = "\(near) \(port) \(far) \(target) </dev/null >/tmp/forward-\(port).log 2>&1"
        return "setsid /usr/bin/python3 /\(folder)/forward.py \(words) &"
    }

    /// A container behind a bridge, with a page on two ports: one that a rule publishes, one that a program does.
    private static func container(
        _ network: String, published: String, _ relayed: String
    ) -> String {
        var script = """
            \(page)
            ip link add docker0 type bridge && ip addr add \(network).1/24 dev docker0
            ip link set docker0 up
            ip netns add box && ip link add veth0 type veth peer name eth0 netns box
            ip link set veth0 master docker0 up
            ip -n box addr add \(network).2/24 dev eth0 && ip -n box link set eth0 up
            ip -n box link set lo up && ip -n box route add default via \(network).1
            echo 1 >/proc/sys/net/ipv4/ip_forward
            ip netns exec box busybox httpd -p \(relayed) -h /tmp/page

            """
        if published.isEmpty {
            script += forward(from: "127.0.0.1", relayed, to: "\(network).2", relayed)
        } else {
            script += """
                ip netns exec box busybox httpd -p \(published) -h /tmp/page
                \(forward(from: "0.0.0.0", relayed, to: "\(network).2", relayed))
                nft -f - <<'END'
                table ip docker {
                    chain published { type nat hook prerouting priority dstnat; policy accept;
                        fib daddr type local tcp dport \(published) dnat to \(network).2:\(published); }
                    chain out { type nat hook postrouting priority srcnat; policy accept;
                        ip saddr \(network).0/24 oifname != "docker0" masquerade; }
                }
                END
                """
        }
        return script
    }
}
