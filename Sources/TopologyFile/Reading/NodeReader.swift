import MeshModel

/// Reads one entry of `nodes:`.
struct NodeReader {
    let read: ValueReader

    func node(_ name: Marked<String>, _ body: YAMLNode) -> DraftNode {
        var node = DraftNode(name)
        let keys = [
            "connect", "endpoint", "address", "addresses", "managed", "host_key", "public_key",
            "backend", "guard",
        ]
        let what = "the node `\(read.clip(name.value))`"
        guard let fields = Fields(body, of: what, keys: keys, read, orNothing: true) else {
            // Neither managed nor unmanaged is known: do not complain about its connect as well.
            node.connectMark = body.mark
            return node
        }
        let hosts = HostReader(read: read)
        if let value = fields["connect"] {
            node.connectMark = value.mark
            node.connect = read.text(value, "ssh://user@host, `local` or `join`").flatMap(
                hosts.connect)
        }
        if let value = fields["endpoint"] {
            node.endpointMark = value.mark
            // The next generation of keys uses port + 1, on a forwarded port too.
            node.endpoint = read.text(value, "host or host:port").flatMap {
                hosts.hostPort($0, "an endpoint", highestPort: 65534)
            }
        }
        node.addresses = addresses(fields)
        node.managed = fields["managed"].flatMap { read.boolean($0, "`true` or `false`") }
        node.hostKey = fields["host_key"].flatMap(hostKey)
        node.publicKey = fields["public_key"].flatMap(publicKey)
        node.backend = fields["backend"].flatMap {
            read.choice($0, "auto, kernel or userspace", BackendChoice.self)
        }
        node.guardEnabled = fields["guard"].flatMap { read.boolean($0, "`on` or `off`") }
        return node
    }

    private func addresses(_ fields: Fields) -> [Marked<IPAddress>] {
        if let one = fields["address"], let other = fields["addresses"] {
            read.sink.error(
                "both `address` and `addresses` are given", at: max(one.mark, other.mark),
                fix: "keep one of them, as a list")
        }
        let given = [fields["address"], fields["addresses"]].compactMap { $0 }
        return given.flatMap(read.items).compactMap { item in
            guard let text = read.text(item, "an overlay address") else { return nil }
            if let address = IPAddress(text.value) { return Marked(address, text.mark) }
            let fix =
                IPPrefix(text.value).map { "leave out the length: write \($0.address)" }
                ?? "write one IPv4 or IPv6 address"
            read.sink.error("`\(read.clip(text.value))` is not an address", at: text.mark, fix: fix)
            return nil
        }
    }

    /// *Shape:* 44 characters of base64, as `wg pubkey` prints them.
    private func publicKey(_ node: YAMLNode) -> Marked<PublicKey>? {
        guard let text = read.text(node, "a WireGuard public key") else { return nil }
        if let key = PublicKey(text.value), key != .zero { return Marked(key, text.mark) }
        // Not quoted back: somebody may have pasted the private key.
        read.sink.error(
            "this is not a WireGuard public key", at: text.mark,
            fix: "write the 44 characters that the device shows as its public key")
        return nil
    }

    /// *Shape:* `SHA256:` and 43 characters of unpadded base64, as ssh-keygen -lf prints it.
    private func hostKey(_ node: YAMLNode) -> Marked<String>? {
        guard let text = read.text(node, "a host key's fingerprint") else { return nil }
        let prefix = "SHA256:"
        if text.value.hasPrefix(prefix),
            Base64.decode(text.value.dropFirst(prefix.count) + "=")?.count == 32
        {
            return text
        }
        read.sink.error(
            "`\(read.clip(text.value))` is not a host key's fingerprint", at: text.mark,
            fix: "write SHA256:… as printed on the node by"
                + " `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`")
        return nil
    }
}
