public import MeshModel

/// A mesh put together out of configurations that other tools wrote.
public struct ImportedMesh: Sendable, Equatable {
    /// Nodes, networks and peering; no services or paths, of which such files know nothing.
    public var topology: Topology
    /// Lines that `meshproof export` left: `NAME: { … }` of `services:`.
    public var services: [String] = []
    /// As ``services``, for the edges of each path, in order.
    public var paths: [(name: String, edges: [String])] = []
    /// What could not be carried over, a line each.
    public var notes: [String] = []

    /// Whether both hold the same.
    public static func == (left: ImportedMesh, right: ImportedMesh) -> Bool {
        left.topology == right.topology && left.services == right.services
            && left.notes == right.notes
            && left.paths.map(\.name) == right.paths.map(\.name)
            && left.paths.map(\.edges) == right.paths.map(\.edges)
    }
}

/// Merges configurations: who is who goes by public key. Pure.
public struct MeshImport {
    private struct Draft {
        var name: String
        var key: PublicKey?
        var addresses: Set<IPAddress> = []
        var endpoint: Endpoint?
        /// Whether a file of its own was read.
        var hasFile = false
    }

    private let name: String
    private let files: [FoundConfiguration]
    private let connects: [String: Connect]
    private var drafts: [Draft] = []
    private var byKey: [PublicKey: Int] = [:]
    private var pairs: Set<Peering> = []
    private var notes: [String] = []
    private var networks: [IPPrefix] = []

    /// Puts files together.
    ///
    /// - Parameters:
    ///   - name: the mesh's.
    ///   - connects: how the nodes are reached that are to be managed, by name.
    /// *Throws:* ``PeerFileError`` `noMesh`.
    public static func merge(
        _ files: [FoundConfiguration], name: String, connects: [String: Connect] = [:]
    ) throws(PeerFileError) -> ImportedMesh {
        var work = MeshImport(name: name, files: files, connects: connects)
        return try work.run()
    }

    private init(name: String, files: [FoundConfiguration], connects: [String: Connect]) {
        self.name = name
        self.files = files
        self.connects = connects
    }

    private mutating func run() throws(PeerFileError) -> ImportedMesh {
        findNetworks()
        guard !networks.isEmpty else {
            throw PeerFileError(
                .noMesh, "no file has an Address, so that there is no network",
                hint: "import the files that wg-quick reads, not `wg showconf`'s")
        }
        for file in files { addOwner(file) }
        for file in files { addPeers(file) }
        let unknown = connects.keys.filter { name in !drafts.contains { $0.name == name } }
        if let first = unknown.sorted().first {
            throw PeerFileError(
                .noMesh, "there is no node \(first) in these files",
                hint: "there are " + drafts.map(\.name).joined(separator: ", "))
        }
        let hub = centre()
        var mesh = Mesh(
            name: name, networks: networks, port: files.compactMap(\.listenPort).first ?? 51820)
        let annotations = files.flatMap(\.annotations)
        let names = drafts.map(\.name)
        let all = names.count * (names.count - 1) / 2
        if let told = Self.peering(annotations) {
            mesh.peering = told
        } else if pairs.count == all, names.count > 2 {
            mesh.peering = .full
        } else if let hub {
            mesh.peering = .hub(hub)
        } else {
            notes.append(
                "who may talk to whom: the peerings "
                    + pairs.sorted().map { "\($0.a)-\($0.b)" }.joined(separator: ", ")
                    + " follow from edges, which you add below `paths:`")
        }
        let mtus = Set(files.compactMap(\.mtu))
        if let mtu = mtus.first, mtus.count == 1, (1280...65455).contains(mtu) { mesh.mtu = mtu }
        let nodes = drafts.map { node($0, hub: hub, port: mesh.port) }
        for file in files {
            notes += file.rest.map { "\(label(file)): \($0)" }
        }
        return ImportedMesh(
            topology: Topology(mesh: mesh, nodes: nodes), services: Self.services(annotations),
            paths: Self.paths(annotations), notes: unique(notes))
    }

    // MARK: networks

    /// The networks of the files' own addresses; for addresses alone, those that allowed IPs name around them.
    private mutating func findNetworks() {
        let own = files.flatMap(\.addresses)
        let around = files.flatMap(\.peers).flatMap(\.allowedIPs).filter {
            $0.length > 0 && !$0.isHost
        }
        for family in [IPAddress.Family.ipv4, .ipv6] {
            let addresses = own.filter { $0.address.family == family }
            guard let first = addresses.first else { continue }
            let wide = addresses.first { !$0.isHost } ?? around.first { $0.contains(first.address) }
            let standard = IPPrefix(first.address, length: family == .ipv4 ? 24 : 64)
            if let network = (wide ?? standard)?.network { networks.append(network) }
        }
    }

    private func isOverlay(_ address: IPAddress) -> Bool {
        networks.contains { $0.contains(address) }
    }

    // MARK: nodes

    private mutating func addOwner(_ file: FoundConfiguration) {
        if let key = file.publicKey, byKey[key] != nil {
            notes.append("\(file.name): a second file with the same key; its node is there already")
            return
        }
        let position = add(ownName(file), key: file.publicKey)
        drafts[position].hasFile = true
        for prefix in file.addresses where isOverlay(prefix.address) {
            drafts[position].addresses.insert(prefix.address)
        }
        for prefix in file.addresses where !isOverlay(prefix.address) {
            notes.append("\(file.name): the address \(prefix), which is in another network")
        }
    }

    /// `wg0` says nothing; a file that many peers call home to is the server's.
    private func ownName(_ file: FoundConfiguration) -> String {
        let isNumbered = file.name.hasPrefix("wg") && file.name.dropFirst(2).allSatisfy(\.isNumber)
        return isNumbered && file.peers.count > 1 ? "server" : file.name
    }

    private mutating func add(_ wanted: String, key: PublicKey?) -> Int {
        let base = Self.label(wanted)
        var name = base
        var number = 2
        while drafts.contains(where: { $0.name == name }) {
            name = "\(base)-\(number)"
            number += 1
        }
        drafts.append(Draft(name: name, key: key))
        if let key { byKey[key] = drafts.count - 1 }
        return drafts.count - 1
    }

    private mutating func addPeers(_ file: FoundConfiguration) {
        let owner =
            file.publicKey.flatMap { byKey[$0] }
            ?? drafts.firstIndex { $0.name == Self.label(ownName(file)) } ?? 0
        for (index, peer) in file.peers.enumerated() {
            let position =
                byKey[peer.publicKey]
                ?? add(peer.name ?? "\(drafts[owner].name)-peer\(index + 1)", key: peer.publicKey)
            let (one, other) = (drafts[owner].name, drafts[position].name)
            if one != other { pairs.insert(Peering(one, other)) }
            if let endpoint = peer.endpoint { drafts[position].endpoint = endpoint }
            for prefix in peer.allowedIPs {
                if prefix.isHost && isOverlay(prefix.address) {
                    drafts[position].addresses.insert(prefix.address)
                } else if !networks.contains(prefix.network) {
                    notes.append("\(one): \(prefix) behind \(other): a mesh routes to nodes only")
                }
            }
            if peer.hasPresharedKey {
                notes.append(
                    "the preshared key of \(one) and \(other): between managed nodes a new one is made; an unmanaged one has none, and must drop it"
                )
            }
        }
    }

    /// The node that all others call, where there is one.
    private func centre() -> String? {
        let candidates = drafts.map(\.name).filter { name in
            pairs.allSatisfy { $0.a == name || $0.b == name } && pairs.count == drafts.count - 1
        }
        // Of two nodes, the one that can be reached.
        return candidates.first { name in drafts.contains { $0.name == name && $0.endpoint != nil }
        }
            ?? (candidates.count > 1
                ? candidates.first { name in drafts.contains { $0.name == name && $0.hasFile } }
                : candidates.first)
    }

    private mutating func node(_ draft: Draft, hub: String?, port: UInt16) -> Node {
        var node = Node(name: draft.name, managed: false, publicKey: draft.key)
        // An address that a family lacks is allocated like any other.
        node.addresses = draft.addresses.sorted()
        if let endpoint = draft.endpoint {
            node.endpoint = endpoint.host
            node.endpointPort = endpoint.port == port ? nil : endpoint.port
        }
        var connect = connects[draft.name]
        if connect == nil && draft.name == hub {
            connect = draft.endpoint.map { .ssh(user: "root", host: $0.host, port: nil) } ?? .local
            notes.append(
                "how to log in to \(draft.name), which must be managed: check its `connect`")
            if node.endpoint == nil {
                notes.append("where \(draft.name) is reached: correct its `endpoint`")
                node.endpoint = "\(draft.name).example"
            }
        }
        if let connect {
            node.managed = true
            node.connect = connect
            node.publicKey = nil
            notes.append(
                "the key of \(draft.name): it makes a new one, and its unmanaged peers must be told (peer show NAME --conf)"
            )
        } else if draft.key == nil {
            notes.append("the key of \(draft.name): its file has none")
        }
        return node
    }

    private func label(_ file: FoundConfiguration) -> String {
        file.publicKey.flatMap { byKey[$0] }.map { drafts[$0].name } ?? file.name
    }

    // MARK: texts

    /// A name as a DNS label.
    static func label(_ text: String) -> String {
        var label = ""
        for byte in text.lowercased().utf8.prefix(63) {
            let isPlain = (97...122).contains(byte) || (48...57).contains(byte)
            if isPlain {
                label.unicodeScalars.append(Unicode.Scalar(byte))
            } else if !label.hasSuffix("-") {
                label += "-"
            }
        }
        while label.hasPrefix("-") { label.removeFirst() }
        while label.hasSuffix("-") { label.removeLast() }
        return label.isEmpty ? "node" : label
    }

    private func unique(_ lines: [String]) -> [String] {
        var seen: Set<String> = []
        return lines.filter { seen.insert($0).inserted }
    }

    /// What an export says of the peering.
    private static func peering(_ annotations: [String]) -> Mesh.Peering? {
        for line in annotations {
            let words = line.split(separator: " ").map(String.init)
            guard words.first == "peering", words.count > 1 else { continue }
            switch words[1] {
            case "paths": return .paths
            case "full": return .full
            case "hub" where words.count == 3: return .hub(words[2])
            default: continue
            }
        }
        return nil
    }

    private static func services(_ annotations: [String]) -> [String] {
        var seen: Set<String> = []
        return annotations.compactMap { line in
            guard line.hasPrefix("services ") else { return nil }
            let text = String(line.dropFirst("services ".count))
            return seen.insert(text).inserted ? text : nil
        }
    }

    private static func paths(_ annotations: [String]) -> [(name: String, edges: [String])] {
        var paths: [(name: String, edges: [String])] = []
        for line in annotations where line.hasPrefix("paths ") {
            let text = line.dropFirst("paths ".count)
            guard let colon = text.firstRange(of: ": - ") else { continue }
            let name = String(text[..<colon.lowerBound])
            let edge = String(text[colon.upperBound...])
            if let index = paths.firstIndex(where: { $0.name == name }) {
                if !paths[index].edges.contains(edge) { paths[index].edges.append(edge) }
            } else {
                paths.append((name, [edge]))
            }
        }
        return paths
    }
}
