extension Finding {
    /// A finding with the reason that its code has.
    init(
        _ code: FindingCode, _ severity: Severity, on node: String?, _ message: String, fix: String
    ) {
        self.init(
            code: code, severity: severity, node: node, message: message, why: code.why, fix: fix)
    }

    /// Whether it says that the edge does not work.
    var meansDown: Bool {
        switch code {
        case .interfaceDown, .notListening, .noAnswer, .tunnelDown: severity <= .serious
        default: false
        }
    }
}

extension FindingCode {
    /// Why it matters, in one short sentence.
    public var why: String {
        switch self {
        case .canaryOnWire, .clearTraffic: "Whoever is on the network can read it."
        case .notWireGuard: "What is not WireGuard on the mesh's port is not encrypted by it."
        case .overlayOnWire: "Packets for the overlay left without encryption."
        case .bypassingFlow: "This connection goes past the transport that the topology declares."
        case .openUnderlay, .weakHost: "Anybody on that network reaches the service in clear."
        case .openEntrance: "Others on the network can use the tunnel, and reach it in clear."
        case .plainAccepted:
            "A client that does not ask for TLS talks in clear, and nobody notices."
        case .clientCertificateOptional: "Anybody gets in, not only those with a certificate."
        case .strangerAdmitted: "The tunnel server is open to others."
        case .tunnelReachesElsewhere: "Who has this key reaches more than the edge declares."
        case .forbiddenReachable: "The topology says that this must not be possible."
        case .interfaceDown: "Without its interface the edge has no way."
        case .notListening: "There is nothing to connect to."
        case .noAnswer: "The edge does not work, so that nothing can be shown of it."
        case .tunnelDown: "Without its session the edge has no way."
        case .notWireGuardDevice: "Another kind of device does not encrypt."
        case .keyMismatch: "The two ends cannot agree on a key, or one talks to somebody else."
        case .prefixStolen: "The edge's packets are decrypted by another machine."
        case .routeBypass: "Packets that leave elsewhere are not encrypted by the mesh."
        case .rewritten:
            "A packet that is rewritten or copied goes elsewhere, whatever the route says."
        case .staleHandshake: "WireGuard drops a session after 180 s without a handshake."
        case .countersStill: "What does not show in the counters did not go through WireGuard."
        case .listensTooWide: "It can be reached without the edge's transport."
        case .otherNamespace: "The same address in another network namespace is another place."
        case .weakTLS, .weakSSH: "It may be broken or downgraded."
        case .untrustedCertificate: "Somebody in the middle could show such a certificate as well."
        case .certificateEndsSoon: "When it ends, the edge ends."
        case .hostKeyMismatch: "The session may end at somebody else."
        case .undeclaredTraffic: "What it carries is not known to the topology."
        case .nodeSilent, .notLookedAt: "What was not looked at is not proven."
        case .factsRefused: "Facts of another run or machine prove nothing about this one."
        case .captureIncomplete: "Clear text may have passed in what was missed."
        case .controlUnseen, .canaryUnseen:
            "Silence means something only where the capture was seen to see."
        case .idlePeer: "Without traffic there is nothing to judge."
        case .noOutsider: "Whether a stranger gets in was not tried."
        case .guardOff: "Nothing keeps others away but the service itself."
        case .clearWithinHost: "Root on that machine can read it there."
        case .drift: "The agent has not made it so yet, or cannot."
        }
    }
}
