import MeshModel

/// Reads one entry of `services:`.
struct ServiceReader {
    let read: ValueReader

    func service(_ name: Marked<String>, _ body: YAMLNode) -> DraftService {
        var service = DraftService(name)
        let what = "the service `\(read.clip(name.value))`"
        let keys = ["on", "kind", "port", "bind"]
        guard let fields = Fields(body, of: what, keys: keys, read) else { return service }
        if let value = fields["on"] {
            service.node = read.text(value, "the node it is on")
        } else {
            read.sink.missing("\(what) is on no node", at: name.mark, fix: "add `on: NODE`")
        }
        if let value = fields["kind"] {
            service.kind = kind(value)
        } else {
            read.sink.missing(
                "\(what) has no kind", at: name.mark,
                fix: "add `kind:` with one of "
                    + ServiceCatalogue.kinds.map(\.name).joined(separator: ", "))
        }
        if let value = fields["port"] {
            service.portMark = value.mark
            service.port = read.port(value)
        }
        service.bind = fields["bind"].flatMap(bind)
        if let mark = service.portMark, case .unix = service.bind?.value {
            read.sink.error(
                "a unix socket has no port", at: mark, fix: "remove `port`, or bind to loopback")
        } else if service.portMark == nil, let kind = service.kind?.value, kind.port == nil,
            service.effectivePort == nil
        {
            read.sink.missing(
                "\(what) needs a port: the kind \(kind.name) has no usual one", at: name.mark,
                fix: "add `port: NUMBER`")
        }
        return service
    }

    private func kind(_ node: YAMLNode) -> Marked<ServiceKind>? {
        guard let text = read.text(node, "a kind of service") else { return nil }
        if let kind = ServiceCatalogue.kind(text.value) { return Marked(kind, text.mark) }
        read.unknown("a kind of service", text, among: ServiceCatalogue.kinds.map(\.name))
        return nil
    }

    private func bind(_ node: YAMLNode) -> Marked<Service.Bind>? {
        let what = "any, loopback, mesh, an address or unix:/path"
        guard let text = read.text(node, what) else { return nil }
        switch text.value {
        case "any": return Marked(.any, text.mark)
        case "loopback": return Marked(.loopback, text.mark)
        case "mesh": return Marked(.mesh, text.mark)
        default: break
        }
        if let address = IPAddress(text.value) {
            // 0.0.0.0 and :: are the usual spelling of `any`.
            return Marked(address.isUnspecified ? .any : .address(address), text.mark)
        }
        let prefix = "unix:"
        if text.value.hasPrefix(prefix) {
            return SocketPath.check(
                Marked(String(text.value.dropFirst(prefix.count)), text.mark), read
            ).map { Marked(.unix($0.value), $0.mark) }
        }
        read.unknown(what, text, among: ["any", "loopback", "mesh"])
        return nil
    }
}

/// Paths of unix sockets.
enum SocketPath {
    /// The path where a socket can have it, else nil with a diagnostic.
    ///
    /// *Source:* unix(7): sun_path holds 108 bytes with its NUL.
    static func check(_ text: Marked<String>, _ read: ValueReader) -> Marked<String>? {
        if text.value.hasPrefix("/") && text.value.utf8.count <= 107 && !text.value.contains("\n") {
            return text
        }
        read.sink.error(
            "`\(read.clip(text.value))` cannot be the path of a unix socket", at: text.mark,
            fix: "write an absolute path of at most 107 characters")
        return nil
    }
}
