import Testing

/// Topologies in all the ways that people write them: each has the nodes `edge` and `gpu`, the services `webui` and
/// `ollama`, and a path `chat` with an edge between them, unless its name says otherwise.
struct EditFixture: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    /// Whether the file has no `paths:` yet, so that the edges cannot go into `chat`.
    var hasChat = true

    var testDescription: String { name }

    init(_ name: String, hasChat: Bool = true, _ text: String) {
        self.name = name
        self.text = text
        self.hasChat = hasChat
    }

    private static let mesh = "mesh: { name: home, network: 10.77.0.0/24 }\n"
    private static let nodes = """
        nodes:
          edge: { connect: ssh://root@192.0.2.11, endpoint: 192.0.2.11 }
          gpu:  { connect: ssh://root@192.0.2.12, endpoint: 192.0.2.12 }

        """
    private static let services = """
        services:
          webui:  { on: edge, kind: open-webui }
          ollama: { on: gpu, kind: ollama }

        """
    private static let paths = """
        paths:
          chat:
            edges:
              - webui -> ollama: wireguard

        """
    private static let plain = mesh + nodes + services + paths

    static let all: [EditFixture] = block + flow + endings + marks + odd

    private static let block: [EditFixture] = [
        EditFixture("plain", plain),
        EditFixture(
            "all in block style",
            """
            mesh:
              name: home
              network:
                - 10.77.0.0/24
            nodes:
              edge:
                connect: ssh://root@192.0.2.11
                endpoint: 192.0.2.11
              gpu:
                connect: ssh://root@192.0.2.12
                endpoint: 192.0.2.12
            services:
              webui:
                on: edge
                kind: open-webui
              ollama:
                on: gpu
                kind: ollama
            paths:
              chat:
                edges:
                  - webui -> ollama:
                      via: wireguard

            """),
        EditFixture(
            "four spaces",
            plain.replacing("\n  ", with: "\n    ").replacing(
                "\n      edges", with: "\n        edges"
            )
            .replacing("\n          - ", with: "\n            - ")),
        EditFixture(
            "a list that is not indented", plain.replacing("      - webui", with: "    - webui")),
        EditFixture("nodes last", mesh + services + paths + nodes),
        EditFixture("paths before nodes", mesh + paths + "\n" + nodes + "\n\n" + services),
        EditFixture(
            "comments everywhere",
            """
            # first
            mesh: { name: home, network: 10.77.0.0/24 } # mesh
              # indented
            nodes: # the machines
              # before edge
              edge: { connect: ssh://root@192.0.2.11, endpoint: 192.0.2.11 } # edge
              # before gpu

              gpu: # has two
                # inside
                connect: ssh://root@192.0.2.12 # c
                endpoint: 192.0.2.12 # e
                # address: 10.77.0.9
              # spare: { managed: false }

            # between
            services: # what listens
              webui:  { on: edge, kind: open-webui } # w
              ollama: { on: gpu, kind: ollama }
              # vllm: { on: gpu, kind: vllm }
            paths: # who talks
              # chat
              chat: # c
                # carries: [prompts]
                edges: # e
                  # the one
                  - webui -> ollama: wireguard # o
                  # - webui -> vllm: wireguard
            # last
            """ + "\n\n# really\n"),
        EditFixture(
            "blank lines and blanks at the ends of lines",
            "\n\n"
                + plain.replacing("\n", with: "  \n").replacing("  \n  gpu", with: "  \n\n \n  gpu")
        ),
        EditFixture(
            "no paths", hasChat: false, mesh + nodes + "\n" + services),
        EditFixture(
            "no paths, services first", hasChat: false,
            mesh + services + "# machines\n" + nodes + "# the end"),
        EditFixture(
            "paths with nothing in it", hasChat: false,
            mesh + nodes + "paths:   # none yet\n" + services),
    ]

    private static let flow: [EditFixture] = [
        EditFixture(
            "all in one line",
            "{mesh: {name: home, network: 10.77.0.0/24}, nodes: {edge: {connect: local, endpoint: 192.0.2.11}, gpu: {connect: ssh://root@192.0.2.12}}, services: {webui: {on: edge, kind: open-webui}, ollama: {on: gpu, kind: ollama}}, paths: {chat: {edges: [webui -> ollama: wireguard]}}}"
        ),
        EditFixture(
            "JSON",
            """
            {
              "mesh": {"name": "home", "network": ["10.77.0.0/24"]},
              "nodes": {
                "edge": {"connect": "ssh://root@192.0.2.11", "endpoint": "192.0.2.11"},
                "gpu": {"connect": "ssh://root@192.0.2.12", "endpoint": "192.0.2.12"}
              },
              "services": {
                "webui": {"on": "edge", "kind": "open-webui"},
                "ollama": {"on": "gpu", "kind": "ollama"}
              },
              "paths": {"chat": {"edges": [{"webui -> ollama": "wireguard"}]}}
            }

            """),
        EditFixture(
            "JSON without paths", hasChat: false,
            """
            {"mesh": {"name": "home", "network": "10.77.0.0/24"},
             "services": {"webui": {"on": "edge", "kind": "open-webui"}, "ollama": {"on": "gpu", "kind": "ollama"}},
             "nodes": {"edge": {"connect": "local", "endpoint": "192.0.2.11"}, "gpu": {"connect": "ssh://root@192.0.2.12"}}}
            """),
        EditFixture(
            "flow over lines, commas at the ends",
            mesh + """
                nodes: {
                  edge: { connect: ssh://root@192.0.2.11, endpoint: 192.0.2.11 },   # edge
                  gpu: { connect: ssh://root@192.0.2.12 },  # the last, with a comma

                }
                services: { webui: { on: edge, kind: open-webui, },
                            ollama: { on: gpu, kind: ollama }, }
                paths: { chat: { edges: [
                  webui -> ollama: wireguard,
                ] } }

                """),
        EditFixture(
            "flow over lines, no comma at the end",
            mesh + services + """
                nodes: {
                    edge: { connect: ssh://root@192.0.2.11, endpoint: 192.0.2.11 }  # edge
                    , gpu: { connect: ssh://root@192.0.2.12 },
                    nas: { connect: ssh://root@192.0.2.13 } # the last: no comma
                  # end
                  }
                paths:
                  chat: { edges: [ webui -> ollama: wireguard, # one
                                   nas -> webui: wireguard ] }

                """),
        EditFixture(
            "flow nodes, block paths",
            mesh
                + "nodes: { edge: { connect: local, endpoint: 192.0.2.11 }, gpu: { connect: ssh://root@192.0.2.12 } }\n"
                + services + paths),
        EditFixture(
            "block nodes, flow edges",
            mesh + nodes + services
                + "paths: {chat: {carries: [prompts], edges: [webui -> ollama: wireguard, ]}}\n"),
        EditFixture(
            "two edges in one item",
            mesh + nodes
                + services.replacing(
                    "services:", with: "services:\n  vllm: { on: gpu, kind: vllm }")
                    + """
                    paths:
                      chat:
                        edges:
                          - webui -> ollama: wireguard
                            webui -> vllm: wireguard

                    """),
    ]

    private static let endings: [EditFixture] = [
        EditFixture("CRLF", plain.replacing("\n", with: "\r\n")),
        EditFixture(
            "CRLF, no final newline", String((plain.replacing("\n", with: "\r\n")).dropLast())),
        EditFixture("no final newline", String(plain.dropLast())),
        EditFixture(
            "no final newline, nodes last", String((mesh + services + paths + nodes).dropLast())),
        EditFixture("no final newline, a comment last", plain + "# end"),
        EditFixture(
            "no final newline, flow last",
            mesh + nodes + services + "paths: { chat: { edges: [webui -> ollama: wireguard] } }"),
        EditFixture("a byte order mark", "\u{feff}" + plain),
        EditFixture("document marks", "# before\n---\n" + plain + "...\n# after\n"),
        EditFixture(
            "mixed endings",
            plain.replacing("11 }\n", with: "11 }\r\n").replacing("guard\n", with: "guard\r\n")),
    ]

    private static let marks: [EditFixture] = [
        EditFixture("tabs in comments", plain.replacing(" }\n", with: " }\t#\ta\tcomment\t\n")),
        EditFixture(
            "unicode before, within and after",
            "# größe 🦊 ñandú\n"
                + plain.replacing(
                    "    edges:", with: "    carries: [\"prémisses 🦊\", 提示]  # 漢字\n    edges: # ü"
                )
                .replacing("12 }\n", with: "12 } # 🏳️‍🌈 é\n")),
        EditFixture(
            "quotes of both kinds",
            plain.replacing("edge: {", with: "\"edge\": {").replacing("gpu: ", with: "'gpu': ")
                .replacing(
                    "- webui -> ollama: wireguard", with: "- \"webui -> ollama\": 'wireguard'")),
        EditFixture(
            "anchors that do not cover the place",
            mesh + """
                nodes:
                  edge: &edge { connect: ssh://root@192.0.2.11, endpoint: &home 192.0.2.11 }
                  gpu: { connect: ssh://root@192.0.2.12, endpoint: 192.0.2.12 }
                services:
                  webui: &web { on: edge, kind: open-webui }
                  ollama: { on: gpu, kind: ollama }
                paths: &paths
                  chat: &chat
                    carries: &what [prompts]
                    edges: &edges
                      - webui -> ollama: &w wireguard
                  rag:
                    carries: *what
                    edges:
                      - gpu -> webui: *w
                lab: { services: { webui: &run { run: [httpd] }, ollama: *run } }

                """),
    ]

    private static let odd: [EditFixture] = [
        EditFixture(
            "a lab with texts of many lines at the end",
            plain + """
                lab:
                  services:
                    webui:
                      prepare: |
                        nodes:
                          fake: { managed: false }
                        # no comment
                      run: >-
                        exec busybox
                        httpd

                """),
        EditFixture(
            "texts over lines",
            plain.replacing(
                "    edges:",
                with:
                    "    carries: [\"prompts # and\n      completions\", plain words\n      over lines]\n    edges:"
            )
        ),
        EditFixture(
            "spaces around the arrow",
            plain.replacing("webui -> ollama", with: "webui   ->ollama")),
    ]
}
