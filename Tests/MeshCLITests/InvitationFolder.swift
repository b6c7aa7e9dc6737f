import LinuxSystem

/// A topology with a hub, a node that joins and a phone, and where its state would be.
final class InvitationFolder {
    let root = "/tmp/meshproof-invitation-\(UInt64.random(in: .min ... .max))"

    init() throws {
        try Files.makeFolder(root)
        let text = """
            mesh: { name: lab, network: 10.9.0.0/24 }
            nodes:
              hub: { connect: ssh://root@192.0.2.1, endpoint: 192.0.2.1 }
              nas: { connect: join }
              phone: { managed: false }
            services:
              web: { on: hub, kind: http, port: 80 }
            paths:
              p: { edges: [nas -> web: wireguard] }

            """
        try Files.replace(topology, with: Array(text.utf8))
    }

    deinit { try? Files.removeTree(root) }

    var topology: String { "\(root)/topology.yaml" }
    var state: String { "\(root)/state" }
    var hasState: Bool { Files.exists(state) }
}
