import Testing
import TopologyFile

@Suite("Every mistake in a topology is reported at its place, with a fix")
struct MistakeTests {
    @Test("a mistake in how it is written", arguments: WrittenMistakes.all)
    func written(_ mistake: Mistake) { check(mistake) }

    @Test("a mistake in what it means", arguments: MeaningMistakes.all)
    func meant(_ mistake: Mistake) { check(mistake) }

    private func check(_ mistake: Mistake) {
        let outcome = Samples.parse(mistake.text)
        let place = mistake.place
        let found = outcome.diagnostics.first {
            $0.line == place.line && $0.column == place.column && $0.severity == mistake.severity
                && $0.message.contains(mistake.message)
                && ($0.fix ?? "").contains(mistake.fix)
        }
        let report = outcome.diagnostics.map(\.description).joined(separator: "\n")
        #expect(
            found != nil,
            "\(mistake.what): wanted \(place.line):\(place.column) \(mistake.message), got:\n\(report)"
        )
        #expect(
            mistake.bringsOthers || outcome.diagnostics.count == 1,
            "\(mistake.what): one mistake, one report:\n\(report)")
        #expect((outcome.topology == nil) == (mistake.severity == .error))
    }

    @Test("many mistakes in one file are reported together, in the order of their places")
    func together() {
        let text = """
            mesh:
              name: Home_Lab
              network: [10.77.0.1/24, 10.77.0.0/25]
              prot: 51820
            nodes:
              edge: { connect: ssh://root@10.77.0.7, endpoint: 127.0.0.1 }
              gpu: { endpoint: gpu.example:99999 }
              phone: { managed: no, backend: kernel }
            services:
              webui: { on: egde, kind: open-webui }
              webui: { on: edge, kind: ollama }
              api: { on: gpu, kind: ray, port: 70000 }
            paths:
              chat:
                edges:
                  - phone -> webui: wireguard
                  - webui -> api: ssh2
                  - phone -> api: ssh
            forbid:
              - phone -> api
            """
        let found = Samples.parse(text).diagnostics.map(\.description)
        #expect(
            found == [
                "t.yaml:2:9: error: the mesh name `Home_Lab` is not a DNS label: it has capital letters; fix: call it `home-lab`",
                "t.yaml:3:13: error: the network 10.77.0.1/24 has host bits set; fix: write 10.77.0.0/24",
                "t.yaml:3:27: error: the networks 10.77.0.0/24 and 10.77.0.0/25 overlap; fix: keep one IPv4 and one IPv6 network; a wider one can replace both",
                "t.yaml:4:3: error: `mesh` has no key `prot`; fix: did you mean `port`?",
                "t.yaml:6:20: error: the connect address 10.77.0.7 lies in the overlay network 10.77.0.0/24; fix: write the node's underlay address, or choose another mesh.network",
                "t.yaml:6:52: error: the endpoint 127.0.0.1 is a loopback address; fix: write the address at which the other nodes reach this one",
                "t.yaml:7:3: error: the managed node `gpu` has no `connect`; fix: add `connect: ssh://root@HOST`, `connect: join` where it is to join by itself, or `managed: false` where no agent is to run",
                "t.yaml:7:20: error: `99999` is not a port; fix: write a whole number from 1 to 65534",
                "t.yaml:8:34: error: the unmanaged node `phone` has `backend`; fix: remove `backend`, or remove `managed: false`",
                "t.yaml:10:16: error: there is no node `egde`; fix: did you mean `edge`?",
                "t.yaml:11:3: error: the key `webui` is given twice; fix: remove one; the first is on line 10",
                "t.yaml:12:36: error: 70000 is not a port; fix: write a whole number from 1 to 65535",
                "t.yaml:17:23: error: expected a transport, found `ssh2`; fix: did you mean `ssh`?",
                "t.yaml:18:9: error: ssh needs an agent to start the tunnel, and `phone` is unmanaged; fix: use wireguard, or make `phone` managed",
                "t.yaml:20:5: error: `phone -> api` is forbidden, and the edge phone->api on line 18 needs it; fix: remove this line, or that edge",
            ])
    }

    @Test(
        "mistakes before broken YAML are reported with it, and nothing is missed that was not read")
    func beforeBrokenYAML() {
        let text = "mesh:\n  nam: lab\nnodes:\n  edge: { connect: \"ssh://a }\n"
        let found = Samples.parse(text).diagnostics.map { "\($0.line):\($0.column)" }
        #expect(found.first == "2:3")
        #expect(found.count == 2)
        #expect(Samples.parse(text).topology == nil)
    }

    @Test("a file with thousands of mistakes gives a bounded report that says so")
    func bounded() {
        let text = Samples.file() + (0..<5000).map { "key\($0): 1\n" }.joined()
        let diagnostics = Samples.parse(text).diagnostics
        #expect(diagnostics.count == 201)
        #expect(diagnostics.last?.message == "4800 more mistakes are not shown")
    }
}
