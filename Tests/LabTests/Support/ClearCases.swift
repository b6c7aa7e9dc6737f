import MeshModel

/// The cases in which the client's own way, or what is done to it, leads past the mesh.
extension ClearCase {
    private typealias Lab = VerifyLab

    /// A client that goes elsewhere by itself: nothing is done to the host, so there is nothing to mend.
    static let clients: [ClearCase] = [
        ClearCase(
            "1: the client dials the underlay address", traffic: get("\(Lab.bee):8080"),
            open: .exposed(.clearTraffic), guarded: .closed()),
        ClearCase(
            "10: the name resolves to the IPv6 underlay address",
            traffic: get("web.example:8080"),
            make: [Step("ant", "echo '\(Lab.bee6) web.example' >>/etc/hosts")],
            undo: [
                Step(
                    "ant",
                    "sed '/web.example/d' /etc/hosts >/run/case-hosts; cat /run/case-hosts >/etc/hosts"
                )
            ],
            open: .exposed(.clearTraffic), guarded: .closed()),
        ClearCase(
            "+ the client dials the link-local address",
            traffic: "curl -gs -m 1 -o /dev/null -H 'X-Text: SECRET' "
                + "\"http://[$(cat /run/case-local)%25eth0]:8080/\"",
            make: [Step("ant", linkLocal)],
            open: .exposed(.clearTraffic), guarded: .closed()),
        ClearCase(
            "+ the client is bound to eth0",
            traffic: get("\(Lab.beeOverlay):8080", "--interface eth0"),
            open: .exposed(.overlayOnWire), guarded: .closed()),
        ClearCase(
            "18: a datagram of 2.5 kB, and the text in its second fragment",
            traffic: datagram(8080, #"b"."*1900+b"SECRET"+b"."*600"#),
            open: .exposed(.clearTraffic), guarded: .exposed(.clearTraffic)),
        ClearCase(
            "19: clear text to WireGuard's port", traffic: datagram(51820, #"b"SECRET""#),
            open: .exposed(.notWireGuard), guarded: .exposed(.notWireGuard)),
        ClearCase(
            "+ clear text with WireGuard's header, between the right ports",
            traffic: python(
                #"import socket as s, struct as t; p=b"\4\0\0\0"+b"\7\0\0\0"+bytes(8)+b"SECRET"+b"."*64; "#
                    + "r=s.socket(s.AF_INET,s.SOCK_RAW,17); "
                    + #"r.sendto(t.pack("!HHHH",51820,51820,8+len(p),0)+p,("\#(Lab.bee)",0))"#),
            open: .exposed(.notWireGuard), guarded: .exposed(.notWireGuard)),
        ClearCase(
            "+ clear text in GRE, made by hand",
            traffic: python(
                "import socket as s; r=s.socket(s.AF_INET,s.SOCK_RAW,47); "
                    + #"r.sendto(bytes(2)+b"\x08\0"+b"E"+bytes(19)+b"SECRET",("\#(Lab.bee)",0))"#),
            open: .exposed(.clearTraffic), guarded: .exposed(.clearTraffic)),
        ClearCase(
            "+ a program beside the edge speaks in clear on another port",
            traffic: datagram(9999, #"b"SECRET""#),
            open: .some([.unproven], [.undeclaredTraffic], isClear: true),
            guarded: .some([.unproven], [.undeclaredTraffic], isClear: true)),
    ]

    private static func datagram(_ port: Int, _ text: String) -> String {
        python(
            "import socket as s; s.socket(s.AF_INET,s.SOCK_DGRAM)"
                + #".sendto(\#(text),("\#(Lab.bee)",\#(port)))"#)
    }

    /// bee answers all nodes on the link; the answer that is neither ant's nor another's is told by its route.
    private static let linkLocal = """
        ping -c 2 -w 5 \(Lab.bee6) >/dev/null
        mac=$(ip -6 neigh show \(Lab.bee6) dev eth0 | sed 's/.*lladdr \\([^ ]*\\).*/\\1/')
        /usr/bin/python3 - "$mac" >/run/case-local <<'END'
        import sys
        m = [int(x, 16) for x in sys.argv[1].split(":")]
        m = [m[0] ^ 2] + m[1:3] + [255, 254] + m[3:]
        print("fe80::" + ":".join("%02x%02x" % (m[i], m[i + 1]) for i in (0, 2, 4, 6)), end="")
        END
        """

    // MARK: routes

    private static let dial = get("\(Lab.beeOverlay):8080")
    private static let past = "\(Lab.beeOverlay)/32 via \(Lab.bee)"

    /// Routes and rules that are none of the mesh's: the agent leaves those of others alone.
    static let routes: [ClearCase] = [
        ClearCase(
            "2: a rule for the port, and a route in a table of its own", traffic: dial,
            make: [
                Step(
                    "ant",
                    "ip route add \(past) table 100; ip rule add pref 50 ipproto tcp dport 8080 lookup 100"
                )
            ],
            undo: [Step("ant", "ip rule del pref 50; ip route flush table 100")],
            open: .exposed(.routeBypass, .canaryOnWire, .overlayOnWire),
            guarded: .down(.routeBypass, .noAnswer)),
        ClearCase(
            "9: a route before the mesh's", traffic: dial,
            make: [Step("ant", "ip route prepend \(past)")],
            undo: [Step("ant", "ip route del \(past)")],
            open: .exposed(.routeBypass, .canaryOnWire), guarded: .down(.routeBypass, .noAnswer)),
        ClearCase(
            "+ a route in the table local", traffic: dial,
            make: [Step("ant", "ip route add \(past) table local")],
            undo: [Step("ant", "ip route del \(past) table local")],
            open: .exposed(.routeBypass, .canaryOnWire), guarded: .down(.routeBypass, .noAnswer)),
        ClearCase(
            "+ a rule by a mark that nftables sets", traffic: dial,
            make: [
                Step(
                    "ant",
                    """
                    ip route add \(past) table 100; ip rule add pref 50 fwmark 7 lookup 100
                    nft -f - <<'END'
                    table ip evil {
                      chain o {
                        type route hook output priority mangle;
                        ip daddr \(Lab.beeOverlay) tcp dport 8080 meta mark set 7
                      }
                    }
                    END
                    """)
            ],
            undo: [
                Step(
                    "ant", "nft delete table ip evil; ip rule del pref 50; ip route flush table 100"
                )
            ],
            open: .exposed(.routeBypass, .canaryOnWire), guarded: .down(.routeBypass, .noAnswer)),
        ClearCase(
            "+ one of several ways is the underlay", traffic: dial,
            make: [
                Step(
                    "ant",
                    """
                    sysctl -qw net.ipv4.fib_multipath_hash_policy=1
                    ip route add \(Lab.beeOverlay)/32 table 100 nexthop dev mp0-$(cat /run/case-mesh) nexthop via \(Lab.bee)
                    ip rule add pref 50 lookup 100
                    """)
            ],
            undo: [Step("ant", "ip rule del pref 50; ip route flush table 100")],
            open: .some([.exposed, .unproven], [.routeBypass], isClear: nil),
            guarded: .some([.down, .encrypted], [.routeBypass], isClear: false)),
        ClearCase(
            "17: a vxlan between the hosts", traffic: dial,
            make: [
                Step("ant", vxlan(Lab.ant, Lab.bee, "192.0.2.1", "192.0.2.2", Lab.beeOverlay)),
                Step("bee", vxlan(Lab.bee, Lab.ant, "192.0.2.2", "192.0.2.1", "10.88.0.1")),
            ],
            undo: [Step("ant", "ip link del vx0"), Step("bee", "ip link del vx0")],
            open: .exposed(.routeBypass, .canaryOnWire), guarded: .down(.routeBypass, .noAnswer)),
    ]

    private static func vxlan(
        _ own: String, _ other: String, _ near: String, _ far: String, _ target: String
    ) -> String {
        """
        ip link add vx0 type vxlan id 7 dstport 4789 local \(own) remote \(other) dev eth0
        ip addr add \(near)/30 dev vx0
        ip link set vx0 up
        ip route prepend \(target)/32 via \(far)
        """
    }
}
