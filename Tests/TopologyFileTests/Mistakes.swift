/// Mistakes in how the file is written: its YAML, its keys, its values.
enum WrittenMistakes {
    static let all: [Mistake] = yaml + keys + mesh + nodes + services + paths + lab

    static let yaml: [Mistake] = [
        Mistake("an empty file", "§", "the file is empty", fix: "meshproof init"),
        Mistake("only comments", "§# nothing\n", "the file is empty", fix: "meshproof init"),
        Mistake("nothing after the dashes", "§---\n", "the file is empty", fix: "meshproof init"),
        Mistake("a list", "§- mesh\n", "must be a mapping, found a list", fix: "key: value"),
        Mistake("text", "§hello\n", "must be a mapping, found text", fix: "key: value"),
        Mistake(
            "a tab for indentation", "mesh:\n§\tname: lab\n", "cannot start any token",
            fix: "spaces"),
        Mistake(
            "an inner key on the same line",
            "mesh:\n  name: lab\n  peering: hub§: edge\n", "mapping values are not allowed",
            fix: "its own line"),
        Mistake(
            "an open bracket", "mesh: { name: lab\nnodes§: {}\n",
            "did not find expected ',' or '}'",
            fix: "close the bracket"),
        Mistake(
            "two documents", Samples.file() + "§---\nmesh: {}\n", "second YAML document",
            fix: "remove the `---` line"),
        Mistake(
            "a directive", "§%YAML 1.1\n---\nmesh: {}\n", "directives are not supported",
            fix: "remove the line"),
        Mistake(
            "a tag", Samples.file(mesh: "mesh: { name: §!!str lab, network: 10.77.0.0/24 }"),
            "tags (tag:yaml.org,2002:str) are not supported", fix: "remove the tag"),
        Mistake(
            "a merge key",
            Samples.file(mesh: "mesh:\n  §<<: { port: 5 }\n  name: lab\n  network: 10.77.0.0/24"),
            "merge keys (<<) are not supported", fix: "write the keys out"),
        Mistake(
            "an alias of nothing", "mesh: { name: §*other }\n", "*other has no finished anchor",
            fix: "earlier value"),
        Mistake(
            "an alias inside its own anchor", "mesh: &m { name: [§*m] }\n", "no finished anchor",
            fix: "outside of which"
        ).also,
        Mistake(
            "a control character", "mesh: { name: \"a§\u{7}\" }\n", "control character (0x07)",
            fix: "remove it"),
        Mistake(
            "a NUL", "me§\u{0}sh: {}\n", "control character (0x00)", fix: "remove it"),
        Mistake(
            "an escaped NUL",
            Samples.file(
                nodes: "nodes:\n  edge: { connect: local, endpoint: §\"a\\0\" }", services: ""),
            "the text holds a control character", fix: "escape sequence"
        ).also,
        Mistake(
            "a key that is a list", Samples.file() + "? §[a, b]\n: c\n", "a key must be text",
            fix: "key: value"),
    ]

    static let keys: [Mistake] = [
        Mistake(
            "an unknown section", Samples.file() + "§sevices: {}\n", "has no key `sevices`",
            fix: "did you mean `services`?"),
        Mistake(
            "an unknown key of the mesh",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, §prot: 5 }"),
            "`mesh` has no key `prot`", fix: "did you mean `port`?"),
        Mistake(
            "an unknown key that is like no other",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, §colour: red }"),
            "`mesh` has no key `colour`", fix: "use one of name, network, port"),
        Mistake(
            "a key given twice",
            "mesh: { name: lab, network: 10.77.0.0/24 }\n§mesh: {}\nnodes: { a: { connect: local } }\n",
            "the key `mesh` is given twice", fix: "the first is on line 1"),
        Mistake(
            "a node given twice",
            Samples.file(
                nodes: "nodes:\n  edge: { connect: local }\n  gpu: { managed: false }\n  §edge: {}",
                services: ""),
            "the key `edge` is given twice", fix: "the first is on line 3"),
        Mistake(
            "no mesh", "§nodes: { edge: { connect: local } }\n", "has no `mesh`", fix: "add `mesh:"),
        Mistake(
            "no nodes", "§mesh: { name: lab, network: 10.77.0.0/24 }\n", "has no `nodes`",
            fix: "add `nodes:`"),
        Mistake(
            "an empty list of nodes", Samples.file(nodes: "nodes: §{}", services: ""),
            "there are no nodes", fix: "at least one node"),
        Mistake(
            "nodes as a list", Samples.file(nodes: "nodes:\n  §- edge", services: ""),
            "`nodes` must be a mapping, found a list", fix: "key: value"),
    ]

    static let mesh: [Mistake] = [
        Mistake(
            "no name", Samples.file(mesh: "mesh: §{ network: 10.77.0.0/24 }"), "has no `name`",
            fix: "add `name:"),
        Mistake(
            "a long name",
            Samples.file(mesh: "mesh: { name: §homelaboratory, network: 10.77.0.0/24 }"),
            "14 characters long, at most 11", fix: "`homelaborat`"),
        Mistake(
            "capitals", Samples.file(mesh: "mesh: { name: §HomeLab, network: 10.77.0.0/24 }"),
            "`HomeLab` is not a DNS label: it has capital letters", fix: "call it `homelab`"),
        Mistake(
            "a list for a name",
            Samples.file(mesh: "mesh: { name: §[lab], network: 10.77.0.0/24 }"),
            "expected a name, found a list", fix: "write a name"),
        Mistake(
            "no network", Samples.file(mesh: "mesh: §{ name: lab }"), "has no `network`",
            fix: "add `network:"),
        Mistake(
            "host bits", Samples.file(mesh: "mesh: { name: lab, network: §10.77.0.9/24 }"),
            "10.77.0.9/24 has host bits set", fix: "write 10.77.0.0/24"),
        Mistake(
            "host bits in IPv6",
            Samples.file(mesh: "mesh: { name: lab, network: §\"fd77:6d70::5/64\" }"),
            "fd77:6d70::5/64 has host bits set", fix: "write fd77:6d70::/64"),
        Mistake(
            "a network without a length",
            Samples.file(mesh: "mesh: { name: lab, network: §10.77.0.0 }"),
            "`10.77.0.0` is not a network", fix: "write 10.77.0.0/24"),
        Mistake(
            "a length out of range",
            Samples.file(mesh: "mesh: { name: lab, network: §10.77.0.0/33 }"),
            "`10.77.0.0/33` is not a network", fix: "like 10.77.0.0/24"),
        Mistake(
            "port 0", Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, port: §0 }"),
            "0 is not a port", fix: "1 to 65534"),
        Mistake(
            "the last port, which leaves none for the next generation",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, port: §65535 }"),
            "65535 is not a port", fix: "1 to 65534"),
        Mistake(
            "a port in words",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, port: §x }"),
            "expected a port, found `x`", fix: "whole number"),
        Mistake(
            "a quoted port",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, port: §\"51820\" }"),
            "found quoted text", fix: "remove the quotes"),
        Mistake(
            "a port with a leading zero",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, port: §051820 }"),
            "starts with a zero", fix: "without leading zeros"),
        Mistake(
            "a port beyond all integers",
            Samples.file(
                mesh: "mesh: { name: lab, network: 10.77.0.0/24, port: §99999999999999999999999 }"),
            "99999999999999999999999 is not a port", fix: "1 to 65534"),
        Mistake(
            "an unknown peering",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, peering: §ful }"),
            "found `ful`", fix: "did you mean `full`?"),
        Mistake(
            "a hub without a name",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, peering: §hub }"),
            "does not say which node", fix: "peering: { hub: NODE }"),
        Mistake(
            "an MTU that IPv6 does not allow",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, mtu: §1000 }"),
            "1000 is not an MTU", fix: "1280 to 65455"),
        Mistake(
            "a rotation at no time",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, rotate: §monthly }"),
            "`monthly` does not say how often keys are replaced", fix: "every 30d"),
        Mistake(
            "a rotation every minute",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, rotate: §every 0h }"),
            "`every 0h` does not say how often", fix: "an hour at least"),
        Mistake(
            "a keepalive of 0",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, keepalive: §0 }"),
            "0 is not a number of seconds", fix: "1 to 3600"),
        Mistake(
            "a guard that is neither on nor off",
            Samples.file(mesh: "mesh: { name: lab, network: 10.77.0.0/24, guard: §maybe }"),
            "found `maybe`", fix: "`on` or `off`"),
    ]

    private static func node(_ body: String) -> String {
        Samples.file(nodes: "nodes:\n  edge: { \(body) }", services: "")
    }

    static let nodes: [Mistake] = [
        Mistake(
            "a node name that is no label",
            Samples.file(nodes: "nodes:\n  §my_node: { connect: local }", services: ""),
            "the node name `my_node` is not a DNS label", fix: "call it `my-node`"),
        Mistake(
            "a node name that ends in a hyphen",
            Samples.file(nodes: "nodes:\n  §edge-: { connect: local }", services: ""),
            "it starts or ends with -", fix: "call it `edge`"),
        Mistake(
            "an unknown key", node("connect: local, §end_point: a"),
            "`edge` has no key `end_point`",
            fix: "did you mean `endpoint`?"),
        Mistake(
            "another way to connect", node("connect: §telnet://x"), "is not a way to connect",
            fix: "ssh://user@host:port"),
        Mistake(
            "a connect port out of range", node("connect: §ssh://root@h:70000"),
            "`70000` is not a port",
            fix: "1 to 65535"),
        Mistake(
            "a connect URL without a host", node("connect: §\"ssh://root@\""),
            "is not a host to connect to",
            fix: "write host"),
        Mistake(
            "a connect URL with a password", node("connect: §ssh://root:hunter2@host"),
            "the connect URL holds a password", fix: "ssh://user@host:port"),
        Mistake(
            "a connect URL with a path", node("connect: §ssh://root@host/tmp"),
            "more than a user, a host and a port", fix: "ssh://user@host:port"),
        Mistake(
            "a host that ssh would take for an option", node("connect: §ssh://-oProxyCommand=x"),
            "neither an address nor a host name", fix: "DNS name"),
        Mistake(
            "a user that ssh would take for an option", node("connect: §ssh://-x@host"),
            "`-x` is not a user name", fix: "ssh://user@host:port"),
        Mistake(
            "an endpoint that is almost an address",
            node("connect: local, endpoint: §198.51.100.300"),
            "neither an address nor a host name", fix: "IPv4 or IPv6 address"),
        Mistake(
            "an endpoint with a bad port", node("connect: local, endpoint: §\"host:0\""),
            "`0` is not a port", fix: "1 to 65534"),
        Mistake(
            "an endpoint with half a bracket", node("connect: local, endpoint: §\"[2001:db8::1\""),
            "is not an endpoint", fix: "[IPv6 address]:port"),
        Mistake(
            "an address with a length", node("connect: local, address: §10.77.0.5/24"),
            "`10.77.0.5/24` is not an address", fix: "write 10.77.0.5"),
        Mistake(
            "address and addresses",
            node("connect: local, address: 10.77.0.5, addresses: §10.77.0.6"),
            "both `address` and `addresses`", fix: "keep one"
        ).also,
        Mistake(
            "a backend that is none", node("connect: local, backend: §kernal"), "found `kernal`",
            fix: "did you mean `kernel`?"),
        Mistake(
            "a host key that is none", node("connect: local, host_key: §SHA256:abc"),
            "is not a host key's fingerprint", fix: "ssh-keygen -lf"),
        Mistake(
            "a public key that is none", node("managed: false, public_key: §abc"),
            "not a WireGuard public key", fix: "44 characters"),
        Mistake(
            "managed in other words", node("managed: §perhaps"), "found `perhaps`",
            fix: "`true` or `false`"
        ).also,
    ]

    static let services: [Mistake] = [
        Mistake(
            "a service on no node", Samples.file(services: "services:\n  §api: { kind: http }"),
            "is on no node", fix: "add `on: NODE`"),
        Mistake(
            "a service without a kind", Samples.file(services: "services:\n  §api: { on: edge }"),
            "has no kind", fix: "ollama, vllm"),
        Mistake(
            "a misspelt kind",
            Samples.file(services: "services:\n  api: { on: edge, kind: §olama }"),
            "found `olama`", fix: "did you mean `ollama`?"),
        Mistake(
            "a kind without a usual port",
            Samples.file(services: "services:\n  §api: { on: edge, kind: tcp }"),
            "needs a port", fix: "add `port: NUMBER`"),
        Mistake(
            "a bad port",
            Samples.file(services: "services:\n  api: { on: edge, kind: http, port: §65536 }"),
            "65536 is not a port", fix: "1 to 65535"),
        Mistake(
            "a bad bind",
            Samples.file(services: "services:\n  api: { on: edge, kind: http, bind: §lopback }"),
            "found `lopback`", fix: "did you mean `loopback`?"),
        Mistake(
            "a socket that is no absolute path",
            Samples.file(services: "services:\n  api: { on: edge, kind: http, bind: §unix:run/x }"),
            "cannot be the path of a unix socket", fix: "absolute path"),
        Mistake(
            "a socket with a port",
            Samples.file(
                services: "services:\n  api: { on: edge, kind: http, bind: unix:/run/x, port: §80 }"
            ),
            "a unix socket has no port", fix: "remove `port`"),
    ]

    static let paths: [Mistake] = [
        Mistake(
            "a path without edges", Samples.file(paths: "paths:\n  §chat: { carries: [prompts] }"),
            "has no edges", fix: "add `edges:`"),
        Mistake(
            "edges that are no list",
            Samples.file(paths: "paths:\n  chat:\n    edges:\n      §edge -> ollama: wireguard"),
            "`edges` must be a list, found a mapping", fix: "on its own line"),
        Mistake(
            "an edge without a transport", Samples.edges("§webui -> ollama"), "has no transport",
            fix: "`- webui -> ollama: wireguard`"),
        Mistake(
            "an edge with nothing after the colon", Samples.edges("§webui -> ollama:"),
            "the edge has no transport", fix: "after the colon"),
        Mistake(
            "an unknown transport", Samples.edges("webui -> ollama: §wiregard"), "found `wiregard`",
            fix: "did you mean `wireguard`?"),
        Mistake(
            "an edge without an arrow", Samples.edges("§webui: wireguard"), "is not `from -> to`",
            fix: "two names"),
        Mistake(
            "an edge of two steps", Samples.edges("§webui -> ollama -> postgres: wireguard"),
            "more than one step", fix: "one edge for each step"),
        Mistake(
            "an edge from nowhere", Samples.edges("§\"-> ollama\": wireguard"), "lacks a name",
            fix: "from -> to"),
        Mistake(
            "options without via", Samples.edges("webui -> postgres: §{ over: mesh }"),
            "has no `via`",
            fix: "add `via: wireguard`"),
        Mistake(
            "an option of another transport",
            Samples.edges("webui -> ollama: { via: wireguard, §min: TLS1.3 }"),
            "wireguard has no option `min`", fix: "remove it"),
        Mistake(
            "a misspelt option",
            Samples.edges("webui -> postgres: { via: ssh, §localport: 15432 }"),
            "ssh has no option `localport`", fix: "did you mean `local_port`?"),
        Mistake(
            "an option beside the edge",
            Samples.edges("webui -> ollama: wireguard\n        §over: mesh"),
            "stands beside the edge",
            fix: "indent it"),
        Mistake(
            "a tunnel over something else",
            Samples.edges("webui -> postgres: { via: ssh, over: §underlie }"),
            "found `underlie`", fix: "did you mean `underlay`?"),
        Mistake(
            "a TLS version that is too old",
            Samples.edges("webui -> ollama: { via: tls, min: §TLS1.0 }"), "found `TLS1.0`",
            fix: "TLS1.2"),
        Mistake(
            "mtls without a certificate",
            Samples.edges("§webui -> ollama: { via: mtls, ca: ca.pem }"),
            "no `cert` and no `key`", fix: "cert: client.pem"),
        Mistake(
            "port and socket of a tunnel at once",
            Samples.edges("webui -> postgres: { via: ssh, local_port: 1, local_socket: §/run/x }"),
            "both `local_port` and `local_socket`", fix: "keep one"),
        Mistake(
            "forbid as text", Samples.file(forbid: "forbid: §phone -> postgres"),
            "`forbid` must be a list", fix: "on its own line"),
        Mistake(
            "a forbidden pair without an arrow", Samples.file(forbid: "forbid:\n  - §phone"),
            "is not `from -> to`", fix: "two names"),
    ]

    static let lab: [Mistake] = [
        Mistake(
            "a lab service without run",
            Samples.file(lab: "lab:\n  services:\n    §ollama: { prepare: mkdir x }"),
            "has no `run`",
            fix: "add `run: COMMAND`"),
        Mistake(
            "a lab command that is a mapping",
            Samples.file(lab: "lab:\n  services:\n    ollama: { run: §{ a: b } }"),
            "expected a command to run, found a mapping", fix: "write a command"),
        Mistake(
            "a lab service that does not exist",
            Samples.file(lab: "lab:\n  services:\n    §olama: { run: x }"), "no service `olama`",
            fix: "did you mean `ollama`?"),
        Mistake(
            "a lab user that is none",
            Samples.file(lab: "lab:\n  services:\n    ollama: { run: x, user: §\"a b\" }"),
            "`a b` is not a user name", fix: "name of a user"),
        Mistake(
            "another key of lab", Samples.file(lab: "lab: { §service: {} }"), "`lab` has no key",
            fix: "did you mean `services`?"),
    ]
}

extension Mistake {
    /// The same, where the mistake brings others with it.
    var also: Mistake {
        var copy = self
        copy.bringsOthers = true
        return copy
    }
}
