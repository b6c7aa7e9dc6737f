/// Where a mesh's things are on a node.
package struct NodeFolders: Sendable, Equatable {
    /// The mesh's name.
    package let mesh: String
    /// What lies above the meshes' folders, so that a test can put them elsewhere.
    package let root: String

    /// The folders of a mesh, or nil where its name could lead a path astray.
    package init?(mesh: String, root: String = "") {
        guard Self.isName(mesh) else { return nil }
        self.mesh = mesh
        self.root = root
    }

    /// Whether `text` is a DNS label that leaves room for `mp0-` in an interface name.
    package static func isName(_ text: String) -> Bool {
        (1...11).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.last != UInt8(ascii: "-")
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// The folder of all meshes' state.
    package var meshes: String { "\(root)/var/lib/meshproof" }
    /// What outlives a restart; 0700.
    package var state: String { "\(meshes)/\(mesh)" }
    /// Private keys; 0700.
    package var keys: String { "\(state)/keys" }
    /// Preshared keys; 0700.
    package var presharedKeys: String { "\(state)/psk" }
    /// Mail for other nodes; 0700.
    package var mail: String { "\(state)/mail" }
    /// What does not outlive a restart; 0700.
    package var run: String { "\(root)/run/meshproof/\(mesh)" }
    /// The agent's socket; 0600.
    package var socket: String { "\(run)/agent.sock" }
    /// Held by the one agent of this mesh.
    package var lock: String { "\(run)/agent.lock" }
    /// Held by the one run of `verify`.
    package var witnessLock: String { "\(run)/witness.lock" }
    /// Who this node is.
    package var identity: String { "\(state)/identity.json" }
    /// The agent's words where there is no journal.
    package var log: String { "\(state)/agent.log" }
    /// Where the program is installed on a node.
    package var binary: String { "\(root)/usr/local/lib/meshproof/meshproof" }
    /// The agent's unit where there is systemd.
    package var unit: String { "\(root)/etc/systemd/system/\(unitName)" }
    /// The unit's name.
    package var unitName: String { "meshproof-\(mesh).service" }
    /// There is systemd where this folder is. *Source:* sd_booted(3).
    package var systemd: String { "\(root)/run/systemd/system" }

    /// A document's file: `current`, `previous` or `staged`.
    package func document(_ name: String) -> String { "\(state)/\(name).json" }
    /// A generation's private key.
    package func key(generation: Int) -> String { "\(keys)/wg-\(generation).key" }
    /// A generation's mail key, for which others seal what this node is to fetch.
    package func mailKey(generation: Int) -> String { "\(keys)/mail-\(generation).key" }
    /// A generation's SSH key, by which this node's tunnels are let in elsewhere.
    package func clientKey(generation: Int) -> String { "\(keys)/ssh-client-\(generation).key" }
    /// A generation's SSH key, by which this node's tunnel server is known.
    package func hostKey(generation: Int) -> String { "\(keys)/ssh-host-\(generation).key" }

    /// What the node's resolver reads.
    package var hosts: String { "\(root)/etc/hosts" }
    /// What is being written into ``hosts`` where that cannot be replaced in one step.
    package var hostsRewrite: String { "\(state)/hosts.rewrite" }

    /// The tunnel server's files. Not below ``run``: the tunnels' user has to reach its own authorized_keys, and nobody
    /// but root may look into `run`.
    package var tunnels: String { "\(root)/run/meshproof-tunnels/\(mesh)" }
    /// The tunnel server's unit where there is systemd.
    package var tunnelsUnit: String { "\(root)/etc/systemd/system/\(tunnelsUnitName)" }
    /// That unit's name.
    package var tunnelsUnitName: String { "meshproof-\(mesh)-tunnels.service" }
}
