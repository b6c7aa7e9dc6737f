import MeshModel

/// Targets of iptables, by name. *Source:* iptables-extensions(8).
enum LegacyTarget {
    /// What only judges, notes or counts.
    private static let harmless: Set<String> = [
        "ACCEPT", "DROP", "RETURN", "REJECT", "LOG", "NFLOG", "ULOG", "AUDIT", "CT",
        "NOTRACK", "TCPMSS", "TCPOPTSTRIP", "CHECKSUM", "CLASSIFY", "IDLETIMER", "LED", "RATEEST",
        "SECMARK", "CONNSECMARK", "TRACE", "ECN", "TTL", "HL", "SET",
    ]

    /// What a target could do with a packet; nil for one that only judges. One that is not known could do anything.
    static func kind(_ name: String) -> RewritingRule.Kind? {
        if harmless.contains(name) { return nil }
        switch name {
        case "DNAT": return .dnat
        case "SNAT", "MASQUERADE", "NETMAP", "SAME": return .snat
        case "REDIRECT": return .redirect
        case "MARK", "CONNMARK", "HMARK", "DSCP", "TOS": return .mark
        case "TEE": return .duplicate
        default: return .divert
        }
    }
}
