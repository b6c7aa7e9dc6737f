import MeshController
import MeshModel

extension CommandTable {
    static let peer = Command(
        "peer", operands: "add|invite|ls|show|rm NAME", operandCount: 1...2,
        summary: "add, show, remove nodes: by QR code, by SSH, or by a token",
        explanation: """
            Changes the topology file in place (comments, order and style of the rest stay as
            they are; the former file is kept as FILE~) and applies the change like up does,
            to the nodes that it concerns and no others.

              add NAME    a node: with --connect one that runs the agent, with --unmanaged a
                          phone, a laptop or an appliance, which is handed a configuration.
                          Its private key is made here, shown once, and kept only
                          with --keep.
              invite NAME a machine that this one cannot log in to: prints a token that is
                          good once, and waits until `meshproof join` there has used it.
                          The machine dials this one (--listen), or a node of the mesh
                          that both can reach (--through).
              ls          every node: addresses, key, edges. Asks nobody.
              show NAME   one node; --conf, --qr and --png give its configuration
                          again, with the private key where it was kept
              rm NAME     takes a node out: first its peers drop it, then the node itself is
                          cleaned. Refuses while edges or services hang on it, unless
                          --cascade.

            A node that is away finds its change with its peers and takes it by itself; status
            says when. Exit 1: a node concerned has not taken the change yet, and is named.
            """,
        examples: [
            "meshproof peer add phone --unmanaged --to webui --qr",
            "meshproof peer add laptop --unmanaged --to ollama --keep --out laptop.conf",
            "meshproof peer add nas --connect ssh://nas --endpoint 192.0.2.20",
            "meshproof peer invite nas --listen 198.51.100.7:7443 --to ollama",
            "meshproof peer invite nas --through edge --expires 1h",
            "meshproof peer show phone --qr", "meshproof peer rm phone --cascade",
        ],
        options: Option.fleet + Option.profile + [
            Option(
                "connect", value: "URL",
                help: "a managed node: ssh://user@host:port, local, or join: it joins by itself"),
            Option("unmanaged", help: "a node without an agent"),
            Option("endpoint", value: "HOST", help: "where its peers reach it: host or host:port"),
            Option("address", value: "IP", help: "an overlay address of your choice; repeatable"),
            Option("host-key", value: "SHA256", help: "pin the SSH host key of a managed node"),
            Option("backend", value: "KIND", help: "auto, kernel or userspace, on a managed node"),
            Option(
                "public-key", value: "KEY",
                help: "the public key of an unmanaged node that makes its own"),
            Option("to", value: "SERVICE", help: "give it an edge to this service; repeatable"),
            Option("via", value: "HOW", help: "the transport of those edges (default wireguard)"),
            Option(
                "path", value: "PATH",
                help: "the path they go into (default: where the service has edges, else access)"),
            Option(
                "listen", value: "ADDR:PORT",
                help:
                    "invite: where the node dials this machine; without a port a free one; repeatable"
            ),
            Option(
                "through", value: "NODE:PORT",
                help: "invite: where this machine cannot be dialled, a relay on this node"),
            Option(
                "expires", value: "TIME",
                help: "invite: how long the token is good (default 15m; at most 24h)"),
            Option("keep", help: "keep the private key, sealed, for peer show"),
            Option("dry-run", help: "show the file's change and the plan; do nothing"),
            Option("cascade", help: "rm: take out what hangs on the node too"),
            Option("forget", help: "rm: forget the node where it cannot be reached any more"),
            Option(
                "wait", value: "SECONDS",
                help: "rm: try again for so long while nodes concerned are away (default 0)"),
            Option(
                "window", value: "SECONDS",
                help: "after which nodes take an unconfirmed change back (default 60)"),
            Option("yes", "y", help: "do not ask"),
        ]
    ) { invocation in
        let action = invocation.operands.first ?? ""
        guard ["add", "invite", "ls", "show", "rm"].contains(action) else {
            throw CommandFailure(
                "there is no `peer \(action)`", fix: "meshproof peer add, invite, ls, show or rm",
                code: ExitCode.usage)
        }
        guard action != "ls" else {
            if invocation.operands.count > 1 {
                throw CommandFailure("peer ls takes no name", code: ExitCode.usage)
            }
            return try PeerListing.run(try Workspace(invocation))
        }
        guard invocation.operands.count == 2 else {
            throw CommandFailure(
                "which node?", fix: "meshproof peer \(action) NAME", code: ExitCode.usage)
        }
        let name = invocation.operands[1]
        switch action {
        case "add": return try PeerAddition(name, invocation).run()
        case "invite": return try PeerInvitation(name, invocation).run()
        case "rm": return try PeerRemoval(name, invocation).run()
        default: return try PeerListing.show(name, try Workspace(invocation))
        }
    }
}

extension Option {
    /// What an unmanaged node is handed, and how.
    static let profile: [Option] = [
        Option("conf", help: "print the wg-quick configuration (the default of add)"),
        Option("qr", help: "show it as a QR code"),
        Option("png", value: "FILE", help: "write the QR code as a picture, readable by you alone"),
        Option("out", value: "FILE", help: "write the configuration there, readable by you alone"),
        Option("dns", value: "IP", help: "a name server for the device; repeatable"),
        Option("mtu", value: "BYTES", help: "the device's MTU (default: it works it out)"),
        Option(
            "full", value: "PEER",
            help:
                "send all its traffic through this peer, which must forward it by itself; default: only the mesh's"
        ),
    ]
}
