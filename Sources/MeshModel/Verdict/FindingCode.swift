/// What a finding is. The raw value is what JSON and documentation say; it never changes its meaning.
public enum FindingCode: String, Codable, Sendable, Hashable, CaseIterable {
    // Clear text was seen.

    /// The run's own canary was seen on the underlay.
    case canaryOnWire = "canary-on-wire"
    /// Traffic of the edge's service was seen on the underlay in clear.
    case clearTraffic = "clear-traffic"
    /// Something that is not WireGuard came to or from the mesh's own port.
    case notWireGuard = "not-wireguard"
    /// An overlay address was seen on the underlay.
    case overlayOnWire = "overlay-on-wire"
    /// A connection to the service goes past its transport.
    case bypassingFlow = "bypassing-flow"

    // A clear way in is open.

    /// Somebody who is not let in got an answer at an underlay address.
    case openUnderlay = "open-underlay"
    /// An overlay address answered somebody who came by the underlay: the weak host model.
    case weakHost = "weak-host"
    /// The near end of a tunnel listens where others reach it.
    case openEntrance = "open-entrance"
    /// The service takes plain connections where TLS is required.
    case plainAccepted = "plain-accepted"
    /// The service takes clients without a certificate.
    case clientCertificateOptional = "client-certificate-optional"
    /// A tunnel server let a stranger in.
    case strangerAdmitted = "stranger-admitted"
    /// A tunnel's key reaches more than its target.
    case tunnelReachesElsewhere = "tunnel-reaches-elsewhere"
    /// A `forbid` line does not hold.
    case forbiddenReachable = "forbidden-reachable"

    // The edge does not work.

    /// The interface is missing, down, or without its address.
    case interfaceDown = "interface-down"
    /// Nothing listens for the service.
    case notListening = "service-not-listening"
    /// The service did not answer.
    case noAnswer = "no-answer"
    /// The tunnel does not stand.
    case tunnelDown = "tunnel-down"

    // It cannot be called encrypted.

    /// What has the interface's name is not WireGuard.
    case notWireGuardDevice = "not-a-wireguard-device"
    /// The ends' keys do not match.
    case keyMismatch = "key-mismatch"
    /// The overlay address belongs to another peer.
    case prefixStolen = "prefix-stolen"
    /// The kernel would send the edge's packets past the mesh.
    case routeBypass = "route-bypass"
    /// A rule rewrites the edge's packets.
    case rewritten = "rewritten"
    /// There was no handshake of late.
    case staleHandshake = "stale-handshake"
    /// What was sent through the edge did not show in both ends' counters.
    case countersStill = "counters-still"
    /// The service listens where it should not.
    case listensTooWide = "listens-too-wide"
    /// Both ends of a local edge are not in one network namespace.
    case otherNamespace = "other-namespace"
    /// TLS is weaker than the edge demands.
    case weakTLS = "weak-tls"
    /// The certificate is not to be trusted.
    case untrustedCertificate = "untrusted-certificate"
    /// The certificate ends soon.
    case certificateEndsSoon = "certificate-ends-soon"
    /// SSH negotiated something that is not good enough.
    case weakSSH = "weak-ssh"
    /// The session's host key is not the pinned one.
    case hostKeyMismatch = "host-key-mismatch"
    /// A flow that no edge declares passed between the two machines.
    case undeclaredTraffic = "undeclared-traffic"

    // The evidence does not go as far.

    /// A node could not be asked.
    case nodeSilent = "node-silent"
    /// A node's facts were not taken: another run's, another node's, too old, or from before a restart.
    case factsRefused = "facts-refused"
    /// Something could not be looked at.
    case notLookedAt = "not-looked-at"
    /// The capture missed packets, or did not run all the time.
    case captureIncomplete = "capture-incomplete"
    /// The capture did not show what was sent on purpose.
    case controlUnseen = "control-unseen"
    /// The edge's canary was not seen inside.
    case canaryUnseen = "canary-unseen"
    /// The peer is idle, and cannot be probed.
    case idlePeer = "idle-peer"
    /// No outsider could try to get in.
    case noOutsider = "no-outsider"
    /// The guard is off, or not as it should be.
    case guardOff = "guard-off"

    // Worth knowing.

    /// What is decrypted goes on in clear within the host.
    case clearWithinHost = "clear-within-host"
    /// The node differs from its document.
    case drift
}
