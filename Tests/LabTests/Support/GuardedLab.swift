import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

/// A mesh of two with a guard, and the LAN's own namespace as the outsider W.
struct GuardedLab {
    let lab: LabMesh
    /// bee's underlay address.
    let bee = "198.51.100.12"
    let bee6 = "2001:db8:6d70::12"

    static let tail = """
        services:
          web:   { on: bee, kind: http, port: 8080 }
          inner: { on: bee, kind: http, port: 8081, bind: mesh }
          boxed: { on: bee, kind: http, port: 8082 }
          other: { on: bee, kind: http, port: 8083 }
        paths:
          data:
            edges:
              - ant -> web: wireguard
              - ant -> inner: wireguard
              - ant -> boxed: wireguard
        lab:
          services:
            inner: { run: [busybox, httpd, -f, -p, "127.0.0.1:8081"] }
            boxed: { run: [busybox, httpd, -f, -p, "127.0.0.1:8082"] }
        """

    init(_ mesh: String, guarded: Bool) throws {
        lab = try LabMesh(mesh, hosts: ["ant", "bee"], tail: Self.tail, guarded: guarded)
        try lab.up()
        try prepare()
    }

    func turn(_ isOn: Bool) throws {
        try lab.write(tail: Self.tail, guarded: isOn)
        try lab.up()
    }

    /// IPv6 beneath, a service on the overlay address alone, and one published from a container as Docker does it.
    private func prepare() throws {
        try shell("lan", "ip -6 addr add 2001:db8:6d70::1/64 dev $(\(Self.bridge)) nodad")
        try shell("ant", "ip -6 addr add 2001:db8:6d70::11/64 dev eth0 nodad")
        try shell("bee", "ip -6 addr add \(bee6)/64 dev eth0 nodad")
        try shell("lan", "ip route add 10.88.0.2/32 via \(bee)")
        try shell("lan", "ip -6 route add fd88::2/128 via \(bee6)")
        try shell(
            "bee",
            """
            mkdir -p /tmp/inner /tmp/box && echo inner >/tmp/inner/index.html
            echo box >/tmp/box/index.html
            busybox httpd -p 10.88.0.2:8081 -h /tmp/inner
            busybox httpd -p [fd88::2]:8081 -h /tmp/inner
            ip link add docker0 type bridge && ip addr add 172.31.0.1/24 dev docker0
            ip link set docker0 up
            ip netns add box && ip link add veth0 type veth peer name eth0 netns box
            ip link set veth0 master docker0 up
            ip -n box addr add 172.31.0.2/24 dev eth0 && ip -n box link set eth0 up
            ip -n box link set lo up && ip -n box route add default via 172.31.0.1
            ip netns exec box busybox httpd -p 8082 -h /tmp/box
            echo 1 >/proc/sys/net/ipv4/ip_forward
            nft -f - <<'END'
            table ip docker {
                chain published { type nat hook prerouting priority dstnat; policy accept;
                    fib daddr type local tcp dport 8082 dnat to 172.31.0.2:8082; }
                chain out { type nat hook postrouting priority srcnat; policy accept;
                    ip saddr 172.31.0.0/24 oifname != "docker0" masquerade; }
            }
            END
            """)
    }

    /// The LAN's bridge.
    private static let bridge =
        "ip -o -4 addr show | awk '$4 ~ /^198.51.100./ {print $2; exit}'"

    @discardableResult
    func shell(_ host: String, _ script: String) throws -> String {
        let result = try lab.on(host, "sh", "-ec", script)
        try #require(result.status.isSuccess, "\(host): \(script): \(result.errorText)")
        return result.text
    }

    /// Whether a page can be had.
    func reaches(_ host: String, _ place: String) throws -> Bool {
        try lab.on(
            host, "curl", "-gsS", "-o", "/dev/null", "--connect-timeout",
            LabConditions.isUnderEmulation ? "10" : "2", "http://\(place)/"
        ).status.isSuccess
    }

    func drops(_ node: String) throws -> [GuardDrop.Reason: UInt64] {
        let found = try lab.status().report.nodes.first { $0.node == node }?.report?.observed.guard
        return Dictionary(
            (found?.drops ?? []).map { ($0.reason, $0.packets) }, uniquingKeysWith: { $1 })
    }
}
