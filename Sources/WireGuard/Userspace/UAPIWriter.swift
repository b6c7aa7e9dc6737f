import MeshModel
import Netlink

/// Writes a configuration as the text of a `set=1` request.
///
/// *Source:* "Cross-platform userspace implementation", wireguard.com/xplatform.
package enum UAPIWriter {
    /// The request that asks for the device.
    static let get = "get=1\n\n"

    package static func write(
        _ configuration: DeviceConfiguration, name: String
    ) throws(WireGuardError) -> UAPIText {
        // A peer with an endpoint and two allowed IPs takes about 300 bytes.
        var text = UAPIText(capacity: 4096 + configuration.peers.count * 320)
        text.append("set=1\n")
        if let key = configuration.privateKey { try put(&text, "private_key", key, name) }
        if let port = configuration.listenPort { text.line("listen_port", "\(port)") }
        if let mark = configuration.fwmark { text.line("fwmark", "\(mark)") }
        if configuration.replacePeers { text.line("replace_peers", "true") }
        for peer in configuration.peers { try put(&text, peer, name) }
        text.append("\n")
        return text
    }

    private static func put(
        _ text: inout UAPIText, _ peer: PeerConfiguration, _ name: String
    ) throws(WireGuardError) {
        let key = WipedBuffer(count: 32)
        peer.publicKey.store(to: key.bytes)
        text.line("public_key", hex: UnsafeRawBufferPointer(key.bytes))
        if peer.remove {
            text.line("remove", "true")
            return
        }
        if peer.updateOnly { text.line("update_only", "true") }
        switch peer.presharedKey {
        case .set(let secret): try put(&text, "preshared_key", secret, name)
        case .remove: text.line("preshared_key", String(repeating: "0", count: 64))
        case nil: break
        }
        if let endpoint = peer.endpoint { text.line("endpoint", "\(endpoint)") }
        if let keepalive = peer.keepalive {
            text.line("persistent_keepalive_interval", "\(keepalive)")
        }
        guard let list = peer.allowedIPs else { return }
        if peer.replaceAllowedIPs { text.line("replace_allowed_ips", "true") }
        for prefix in list { text.line("allowed_ip", "\(prefix)") }
    }

    private static func put(
        _ text: inout UAPIText, _ key: String, _ secret: any SecretMaterial, _ name: String
    ) throws(WireGuardError) {
        guard secret.count == 32 else {
            throw WireGuardError(
                .badConfiguration, "configure", name, text: "a key of \(secret.count) bytes, not 32"
            )
        }
        // The owner lends its bytes to a closure that cannot hold a noncopyable value, so they pass through memory of ours.
        let copy = WipedBuffer(count: 32)
        secret.withBytes {
            copy.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(32)))
        }
        text.line(key, hex: UnsafeRawBufferPointer(copy.bytes))
    }
}
