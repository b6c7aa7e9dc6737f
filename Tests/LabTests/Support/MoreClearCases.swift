import MeshModel

/// The cases in which packets are rewritten or copied, and those in which the mesh itself is tampered with.
extension ClearCase {
    private typealias Lab = VerifyLab
    private static let dial = get("\(Lab.beeOverlay):8080")

    /// Tables of somebody else's: the agent keeps its own only.
    static let rewriting: [ClearCase] = [
        ClearCase(
            "6: destinations are rewritten to the underlay", traffic: dial,
            make: [
                evil(
                    """
                    chain o { type nat hook output priority -100;
                      ip daddr \(Lab.beeOverlay) tcp dport 8080 dnat to \(Lab.bee):8080
                    }
                    chain p { type nat hook postrouting priority srcnat;
                      ip daddr \(Lab.bee) tcp dport 8080 masquerade
                    }
                    """)
            ], undo: [good], open: .exposed(.rewritten, .canaryOnWire, .clearTraffic),
            guarded: .down(.rewritten, .noAnswer)),
        ClearCase(
            "18: a proxy carries it in clear, in a datagram's second fragment", traffic: dial,
            make: [
                Step("bee", relay("far 9999 127.0.0.1:8080")),
                Step("ant", relay("near 9998 \(Lab.bee):9999")),
                evil(
                    """
                    chain o { type nat hook output priority -100;
                      ip daddr \(Lab.beeOverlay) tcp dport 8080 redirect to :9998
                    }
                    """),
            ],
            undo: [
                good, Step("ant", "pkill -f '[r]elay.py'"), Step("bee", "pkill -f '[r]elay.py'"),
            ], open: .exposed(.rewritten, .canaryOnWire),
            guarded: .exposed(.rewritten, .canaryOnWire)),
        ClearCase(
            "+ a copy goes to the underlay, the original by the mesh", traffic: dial,
            make: [
                evil(
                    """
                    chain o { type filter hook output priority filter;
                      ip daddr \(Lab.beeOverlay) tcp dport 8080 dup to \(Lab.bee) device "eth0"
                    }
                    """)
            ], undo: [good], open: .exposed(.rewritten, .canaryOnWire, .overlayOnWire),
            guarded: .closed(.rewritten)),
        ClearCase(
            "+ traffic control copies what the mesh is given to the underlay", traffic: dial,
            make: [
                Step(
                    "ant",
                    """
                    tc qdisc add dev mp0-$(cat /run/case-mesh) clsact
                    tc filter add dev mp0-$(cat /run/case-mesh) egress protocol all u32 match u32 0 0 \
                      action mirred egress mirror dev eth0
                    """)
            ], undo: [Step("ant", "tc qdisc del dev mp0-$(cat /run/case-mesh) clsact")],
            open: .exposed(.rewritten, .canaryOnWire), guarded: .exposed(.rewritten, .canaryOnWire)),
        ClearCase(
            "+ multipath TCP may open paths past the mesh", traffic: dial,
            make: [Step("ant", "ip mptcp endpoint add \(Lab.ant) dev eth0 subflow")],
            undo: [Step("ant", "ip mptcp endpoint flush")],
            open: .some([.unproven], [.rewritten], isClear: false), guarded: .closed(.rewritten)),
    ]

    private static func evil(_ chains: String) -> Step {
        Step("ant", "nft -f - <<'END'\ntable ip evil {\n\(chains)\n}\nEND")
    }

    private static let good = Step("ant", "nft delete table ip evil")

    private static func relay(_ words: String) -> String {
        let here = String(#filePath).split(separator: "/").dropLast().joined(separator: "/")
        return
            "setsid /usr/bin/python3 /\(here)/relay.py \(words) </dev/null >/dev/null 2>&1 & sleep 0.5"
    }

    // MARK: the mesh itself

    private static let interface = "mp0-$(cat /run/case-mesh)"
    /// What the agent finds wrong it mends once it goes on; a lost session begins anew with the next packet.
    private static let greet = Step("ant", "ping -c 1 -W 1 \(Lab.beeOverlay) >/dev/null || true")

    /// What is the agent's to mend: it is stopped meanwhile, and mends it afterwards.
    static let mesh: [ClearCase] = [
        ClearCase(
            "15: the interface is down, and there is a default route", traffic: dial,
            make: [Step("ant", "ip link set \(interface) down")],
            undo: [Step("ant", "ip link set \(interface) up")],
            open: .down(.interfaceDown), guarded: .down(.interfaceDown), isAgentStopped: true),
        ClearCase(
            "21: another peer has the prefix", traffic: dial,
            make: [
                Step(
                    "ant",
                    "wg set \(interface) peer $(wg genkey | wg pubkey) allowed-ips \(Lab.beeOverlay)/32 endpoint 198.51.100.13:51820"
                )
            ],
            undo: [],
            open: .some([.exposed, .unproven], [.prefixStolen], isClear: false),
            guarded: .some([.exposed, .unproven], [.prefixStolen], isClear: false),
            isAgentStopped: true),
        ClearCase(
            "+ there was no handshake yet, and WireGuard's datagrams are dropped", traffic: dial,
            make: [
                evil("chain o { type filter hook output priority filter; udp dport 51820 drop; }"),
                Step(
                    "ant",
                    """
                    wg showconf \(interface) >/run/case-conf
                    wg set \(interface) peer $(wg show \(interface) peers) remove; wg addconf \(interface) /run/case-conf
                    """),
            ],
            undo: [good, greet],
            open: .some([.down, .unproven], [.staleHandshake], isClear: false),
            guarded: .some([.down, .unproven], [.staleHandshake], isClear: false),
            isAgentStopped: true),
        ClearCase(
            "30: bee still has ant's former key", traffic: dial,
            make: [
                Step(
                    "ant",
                    "wg showconf \(interface) >/run/case-conf; wg genkey >/run/case-key; wg set \(interface) private-key /run/case-key"
                )
            ],
            undo: [
                Step(
                    "ant", "wg setconf \(interface) /run/case-conf; rm /run/case-conf /run/case-key"
                ),
                greet,
            ],
            open: .some([.down, .unproven], [.keyMismatch], isClear: false),
            guarded: .some([.down, .unproven], [.keyMismatch], isClear: false),
            isAgentStopped: true),
        ClearCase(
            "28: a veth has the interface's name", traffic: dial,
            make: [
                Step(
                    "ant",
                    """
                    pkill -f '[w]ireguard-go'; sleep 0.5; ip link del \(interface) 2>/dev/null || true
                    ip link add \(interface) type veth peer name far0
                    ip addr add 10.88.0.1/32 dev \(interface)
                    ip link set \(interface) group $(cat /run/case-group) up; ip link set far0 up
                    ip route add \(Lab.beeOverlay)/32 dev \(interface) src 10.88.0.1
                    """)
            ],
            undo: [
                Step(
                    "ant",
                    "if ip -d link show \(interface) | grep -q veth; then ip link del \(interface) || true; fi"
                )
            ],
            open: .some([.down, .unproven], [.notWireGuardDevice], isClear: false),
            guarded: .some([.down, .unproven], [.notWireGuardDevice], isClear: false),
            isAgentStopped: true),
    ]
}
