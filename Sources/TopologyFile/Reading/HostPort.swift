import MeshModel

/// A host with or without a port, as in `endpoint` and `connect`.
struct HostPort: Equatable {
    /// A name, or an address without brackets.
    var host: String
    var port: UInt16?

    /// The address, where the host is one.
    var address: IPAddress? { IPAddress(host) }
}

/// Reads hosts and ports out of text.
struct HostReader {
    let read: ValueReader

    /// `host`, `host:port`, an IPv6 address, or `[address]:port`; nil with a diagnostic for anything else.
    func hostPort(_ text: Marked<String>, _ what: String, highestPort: Int = 65535) -> Marked<
        HostPort
    >? {
        if let address = IPAddress(text.value) {
            return Marked(HostPort(host: address.description, port: nil), text.mark)
        }
        guard let parts = split(text.value) else {
            read.sink.error(
                "`\(read.clip(text.value))` is not \(what)", at: text.mark,
                fix: "write host, host:port, or [IPv6 address]:port")
            return nil
        }
        var port: UInt16?
        if let digits = parts.port {
            port = number(digits, highest: highestPort)
            if port == nil {
                read.sink.error(
                    "`\(read.clip(digits))` is not a port", at: text.mark,
                    fix: "write a whole number from 1 to \(highestPort)")
                return nil
            }
        }
        if let address = IPAddress(parts.host) {
            return Marked(HostPort(host: address.description, port: port), text.mark)
        }
        guard !parts.isBracketed, HostReader.isName(parts.host) else {
            read.sink.error(
                "`\(read.clip(parts.host))` is neither an address nor a host name", at: text.mark,
                fix: "write an IPv4 or IPv6 address, or a DNS name")
            return nil
        }
        return Marked(HostPort(host: parts.host, port: port), text.mark)
    }

    /// `local`, `join`, or `ssh://[user@]host[:port]`.
    func connect(_ text: Marked<String>) -> Marked<Connect>? {
        if text.value == "local" { return Marked(.local, text.mark) }
        if text.value == "join" { return Marked(.join, text.mark) }
        let scheme = "ssh://"
        guard text.value.hasPrefix(scheme) else {
            return refuse(text, "`\(read.clip(text.value))` is not a way to connect")
        }
        var rest = text.value.dropFirst(scheme.count)
        if rest.last == "/" { rest = rest.dropLast() }
        if rest.contains(where: { "/?# ".contains($0) }) {
            return refuse(text, "the connect URL has more than a user, a host and a port")
        }
        var user: String?
        if let at = rest.lastIndex(of: "@") {
            let name = String(rest[..<at])
            if name.contains(":") {
                // The message must not repeat it: it is a password.
                return refuse(text, "the connect URL holds a password")
            }
            guard HostReader.isUser(name) else {
                return refuse(text, "`\(read.clip(name))` is not a user name")
            }
            user = name
            rest = rest[rest.index(after: at)...]
        }
        guard let target = sshTarget(Marked(String(rest), text.mark)) else { return nil }
        return Marked(.ssh(user: user, host: target.host, port: target.port), text.mark)
    }

    /// As ``hostPort(_:_:highestPort:)``, but the host may also be an alias of ssh_config.
    private func sshTarget(_ text: Marked<String>) -> HostPort? {
        if let parts = split(text.value), !parts.isBracketed, HostReader.isAlias(parts.host) {
            guard let digits = parts.port else { return HostPort(host: parts.host, port: nil) }
            if let port = number(digits, highest: 65535) {
                return HostPort(host: parts.host, port: port)
            }
        }
        return hostPort(text, "a host to connect to")?.value
    }

    private func refuse(_ text: Marked<String>, _ message: String) -> Marked<Connect>? {
        read.sink.error(
            message, at: text.mark,
            fix: "write ssh://user@host:port (user and port may be left out), `local` or `join`")
        return nil
    }

    private struct Parts {
        var host: String
        var port: String?
        var isBracketed = false
    }

    private func split(_ text: String) -> Parts? {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            guard IPAddress(host)?.family == .ipv6 else { return nil }
            if rest.isEmpty { return Parts(host: host, port: nil, isBracketed: true) }
            return rest.first == ":"
                ? Parts(host: host, port: String(rest.dropFirst()), isBracketed: true) : nil
        }
        let pieces = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = pieces.first, !host.isEmpty, pieces.count <= 2 else { return nil }
        return Parts(host: String(host), port: pieces.count == 2 ? String(pieces[1]) : nil)
    }

    private func number(_ digits: String, highest: Int) -> UInt16? {
        guard (1...5).contains(digits.utf8.count), digits.utf8.first != 48,
            digits.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(digits),
            value <= highest
        else { return nil }
        return UInt16(exactly: value)
    }

    /// A DNS name: labels of letters, digits and hyphens. The last is not all digits, or a mistyped address
    /// like 198.51.100.300 would pass for a name. *Source:* RFC 1123 section 2.1.
    static func isName(_ text: String) -> Bool {
        if text.utf8.count > 253 { return false }
        let labels = text.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        guard labels.allSatisfy({ Labels.problem(String($0)) == nil }), let last = labels.last
        else { return false }
        return !last.utf8.allSatisfy { (48...57).contains($0) }
    }

    /// What ssh_config may call a host, without what ssh or a shell could take for something else.
    private static func isAlias(_ text: String) -> Bool {
        if isName(text) { return true }
        let looksLikeAddress = text.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 }
        return !looksLikeAddress && isUser(text)
    }

    /// A POSIX user name: no leading hyphen. *Source:* useradd(8), POSIX 3.437.
    static func isUser(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...64).contains(bytes.count), bytes.first != UInt8(ascii: "-") else { return false }
        return bytes.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || $0 == 45 || $0 == 46 || $0 == 95
        }
    }
}
