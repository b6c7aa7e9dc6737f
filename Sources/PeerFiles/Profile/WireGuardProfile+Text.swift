import MeshModel

extension WireGuardProfile {
    /// As wg-quick and the WireGuard apps read it.
    ///
    /// *Source:* wg-quick(8), wg(8). Routes follow from the allowed IPs.
    public func wgQuick(_ key: KeyLine) -> String {
        var lines = ["# \(title)"] + remarks.map { "# \($0)" } + ["[Interface]"]
        switch key {
        case .key(let text): lines.append("PrivateKey = \(text)")
        case .file(let path): lines.append("PostUp = wg set %i private-key \(path)")
        case .placeholder: lines.append("# PrivateKey = the device's own private key goes here")
        }
        if !addresses.isEmpty { lines.append("Address = \(list(addresses))") }
        if let listenPort { lines.append("ListenPort = \(listenPort)") }
        if !dns.isEmpty { lines.append("DNS = \(dns.joined(separator: ", "))") }
        if let mtu { lines.append("MTU = \(mtu)") }
        for peer in peers {
            lines += ["", "[Peer]", "# \(peer.name)", "PublicKey = \(peer.publicKey)"]
            if let secret = peer.presharedKey { lines.append("PresharedKey = \(secret)") }
            if let endpoint = peer.endpoint { lines.append("Endpoint = \(endpoint)") }
            lines.append("AllowedIPs = \(list(peer.allowedIPs))")
            if let keepalive = peer.keepalive {
                lines.append("PersistentKeepalive = \(keepalive)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The two files of systemd-networkd for an interface of this name: `NAME.netdev` and `NAME.network`.
    ///
    /// *Source:* systemd.netdev(5), [WireGuard] and [WireGuardPeer]; systemd.network(5).
    public func networkd(interface: String, keyFile: String) -> (netdev: String, network: String) {
        var device = [
            "# \(title)", "[NetDev]", "Name=\(interface)", "Kind=wireguard",
        ]
        if let mtu { device.append("MTUBytes=\(mtu)") }
        device += ["", "[WireGuard]", "PrivateKeyFile=\(keyFile)"]
        if let listenPort { device.append("ListenPort=\(listenPort)") }
        for peer in peers {
            device += ["", "# \(peer.name)", "[WireGuardPeer]", "PublicKey=\(peer.publicKey)"]
            if let secret = peer.presharedKey { device.append("PresharedKey=\(secret)") }
            if let endpoint = peer.endpoint { device.append("Endpoint=\(endpoint)") }
            device.append(
                "AllowedIPs=\(peer.allowedIPs.map(\.description).joined(separator: ","))")
            if let keepalive = peer.keepalive { device.append("PersistentKeepalive=\(keepalive)") }
        }
        var network = ["# \(title)", "[Match]", "Name=\(interface)", "", "[Network]"]
        network += addresses.map { "Address=\($0)" }
        network += dns.map { "DNS=\($0)" }
        for prefix in peers.flatMap(\.allowedIPs) {
            network += ["", "[Route]", "Destination=\(prefix)", "Scope=link"]
        }
        return (device.joined(separator: "\n") + "\n", network.joined(separator: "\n") + "\n")
    }

    private func list(_ prefixes: [IPPrefix]) -> String {
        prefixes.map(\.description).joined(separator: ", ")
    }
}
