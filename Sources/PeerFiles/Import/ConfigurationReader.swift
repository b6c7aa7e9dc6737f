public import MeshModel

/// One WireGuard configuration as it was found, whichever tool wrote it. No private or preshared key is kept of it.
public struct FoundConfiguration: Sendable, Equatable {
    /// One `[Peer]`.
    public struct Peer: Sendable, Equatable {
        /// What a comment calls it.
        public var name: String?
        /// Its public key.
        public var publicKey: PublicKey
        /// Whether it has a preshared key.
        public var hasPresharedKey = false
        /// Where it is reached.
        public var endpoint: Endpoint?
        /// What goes to it.
        public var allowedIPs: [IPPrefix] = []
        /// Seconds between keepalives.
        public var keepalive: UInt16?
    }

    /// The file's name without its ending.
    public var name: String
    /// Its own public key, worked out from the private one; nil where it has none.
    public var publicKey: PublicKey?
    /// Its own addresses, with the lengths of their networks.
    public var addresses: [IPPrefix] = []
    /// Its UDP port.
    public var listenPort: UInt16?
    /// *Units:* bytes.
    public var mtu: Int?
    /// Its peers.
    public var peers: [Peer] = []
    /// What is in it that a topology has no place for, a line each.
    public var rest: [String] = []
    /// Lines that `meshproof export` left for the way back: `services …` and `paths …`.
    public var annotations: [String] = []
}

/// Reads wg-quick's format and those near it: what `wg-quick save`, wg-easy, PiVPN and DSNet write, and innernet's
/// interface files, which are TOML.
///
/// *Source:* wg-quick(8), wg(8); the tools' documentation for how they name peers in comments.
public struct ConfigurationReader {
    private var found: FoundConfiguration
    private var section = ""
    private var peer: FoundConfiguration.Peer?
    /// What the last comment called whatever comes next.
    private var nextName: String?
    private let publicKey: (String) -> PublicKey?

    /// Reads one file.
    ///
    /// - Parameter publicKey: works out the public half of a private key in base64.
    /// *Throws:* ``PeerFileError`` `notAConfiguration`.
    public static func read(
        _ text: String, name: String, publicKey: @escaping (String) -> PublicKey?
    ) throws(PeerFileError) -> FoundConfiguration {
        var reader = ConfigurationReader(name, publicKey)
        for (index, line) in text.split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline
        )
        .enumerated() {
            try reader.take(String(line).trimmed, number: index + 1)
        }
        reader.endPeer()
        let file = reader.found
        guard file.publicKey != nil || !file.peers.isEmpty || !file.addresses.isEmpty else {
            throw PeerFileError(
                .notAConfiguration, "\(name) is no WireGuard configuration",
                hint: "import files with [Interface] and [Peer], as wg-quick reads them")
        }
        return file
    }

    private init(_ name: String, _ publicKey: @escaping (String) -> PublicKey?) {
        found = FoundConfiguration(name: name)
        self.publicKey = publicKey
    }

    private mutating func take(_ line: String, number: Int) throws(PeerFileError) {
        if line.isEmpty { return }
        if line.hasPrefix("#") || line.hasPrefix(";") { return comment(String(line.dropFirst())) }
        if line.hasPrefix("[") {
            endPeer()
            section = line.filter { $0 != "[" && $0 != "]" }.lowercased()
            return
        }
        guard let equals = line.firstIndex(of: "=") else {
            throw PeerFileError(
                .notAConfiguration, "\(found.name), line \(number): expected `key = value`")
        }
        let key = line[..<equals].trimmed.lowercased().filter { $0 != "-" && $0 != "_" }
        var value = line[line.index(after: equals)...].trimmed
        if let hash = value.firstIndex(of: "#") { value = value[..<hash].trimmed }
        if value.count > 1, value.first == "\"", value.last == "\"" {
            value = String(value.dropFirst().dropLast())
        }
        switch section {
        case "interface": interface(key, value)
        case "peer", "server": peer(key, value)
        default: break
        }
    }

    // MARK: sections

    private mutating func interface(_ key: String, _ value: String) {
        switch key {
        case "privatekey": found.publicKey = publicKey(value)
        case "address": found.addresses += list(value).compactMap(Self.prefix)
        case "listenport": found.listenPort = UInt16(value)
        case "mtu": found.mtu = Int(value)
        case "networkname": found.rest.append("the network's name \(value)")
        case "saveconfig":
            if value == "true" {
                found.rest.append(
                    "SaveConfig: endpoints of peers in it may be learnt ones; check them")
            }
        case "dns": found.rest.append("DNS = \(value)")
        case "table", "fwmark":
            if !["off", "0", "auto"].contains(value) { found.rest.append("\(key) = \(value)") }
        case "preup", "postup", "predown", "postdown":
            if !value.isEmpty {
                found.rest.append("\(key): a command, which the guard or you replace")
            }
        default: found.rest.append("\(key) = \(value)")
        }
    }

    private mutating func peer(_ key: String, _ value: String) {
        if key == "publickey" {
            endPeer()
            guard let publicKey = PublicKey(value) else { return }
            peer = FoundConfiguration.Peer(
                name: nextName ?? (section == "server" ? "server" : nil), publicKey: publicKey)
            nextName = nil
            peer?.endpoint = early.endpoint
            peer?.allowedIPs = early.allowedIPs
            peer?.keepalive = early.keepalive
            peer?.hasPresharedKey = early.hasPresharedKey
            early = Early()
            return
        }
        var values = early
        if let peer {
            values = Early(
                endpoint: peer.endpoint, allowedIPs: peer.allowedIPs, keepalive: peer.keepalive,
                hasPresharedKey: peer.hasPresharedKey)
        }
        switch key {
        case "presharedkey": values.hasPresharedKey = !value.isEmpty
        case "endpoint", "externalendpoint": values.endpoint = Endpoint(value)
        case "allowedips": values.allowedIPs += list(value).compactMap(Self.prefix)
        case "internalendpoint":
            // innernet gives the server's address within the network with a port.
            if let host = Endpoint(value)?.host, let address = IPAddress(host) {
                values.allowedIPs.append(IPPrefix(host: address))
            }
        case "persistentkeepalive": values.keepalive = UInt16(value)
        default: found.rest.append("\(key) of a peer")
        }
        if peer == nil {
            early = values
        } else {
            peer?.endpoint = values.endpoint
            peer?.allowedIPs = values.allowedIPs
            peer?.keepalive = values.keepalive
            peer?.hasPresharedKey = values.hasPresharedKey
        }
    }

    /// What came before the peer's PublicKey.
    private struct Early {
        var endpoint: Endpoint?
        var allowedIPs: [IPPrefix] = []
        var keepalive: UInt16?
        var hasPresharedKey = false
    }
    private var early = Early()

    private mutating func endPeer() {
        if let peer { found.peers.append(peer) }
        peer = nil
        early = Early()
    }

    // MARK: comments

    /// wg-easy: `Client: NAME (id)`; PiVPN: `## begin NAME ###`; ours and many hands: the name alone.
    private mutating func comment(_ text: String) {
        let text = text.filter { $0 != "#" }.trimmed
        if text.hasPrefix("meshproof ") {
            let line = String(text.dropFirst("meshproof ".count))
            if line.hasPrefix("public-key ") {
                found.publicKey = PublicKey(String(line.dropFirst("public-key ".count)))
            } else {
                found.annotations.append(line)
            }
            return
        }
        var name = text
        if text.lowercased().hasPrefix("end ") || text.lowercased() == "server" { return }
        for prefix in [
            "Client:", "client:", "begin ", "Name =", "Name:", "name =", "friendly_name =",
        ]
        where text.hasPrefix(prefix) {
            name = String(text.dropFirst(prefix.count)).trimmed
        }
        if let bracket = name.firstIndex(of: "(") { name = name[..<bracket].trimmed }
        guard !name.isEmpty, !name.contains("="), name.split(separator: " ").count <= 3 else {
            return
        }
        if peer != nil && peer?.name == nil && section == "peer" && peer?.allowedIPs.isEmpty == true
        {
            peer?.name = name
        } else {
            nextName = name
        }
    }

    // MARK: values

    private func list(_ value: String) -> [String] {
        value.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
    }

    private static func prefix(_ text: String) -> IPPrefix? {
        IPPrefix(text) ?? IPAddress(text).map(IPPrefix.init(host:))
    }
}

extension StringProtocol {
    /// Without blanks at either end.
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
