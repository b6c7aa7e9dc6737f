import MeshModel
import PacketFilter
import Testing

@Suite("What a ruleset could do to packets")
struct RulesetTests {
    private static func kinds(_ expressions: String) -> [RewritingRule] {
        let json = """
            {"nftables":[{"metainfo":{"version":"1.0.6"}},{"rule":{"family":"ip","table":"t",
            "chain":"c","handle":4,"expr":[\(expressions)]}}]}
            """
        return RulesetReader.parse(json: json, text: "")?.rules ?? []
    }

    @Test(
        "What only looks, counts or judges is passed over",
        arguments: [
            #"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}"#,
            #"{"counter":{"packets":1,"bytes":2}},{"log":{"prefix":"x"}},{"drop":null}"#,
            #"{"mangle":{"key":{"meta":{"key":"priority"}},"value":1}}"#,
            #"{"mangle":{"key":{"tcp option":{"name":"maxseg","field":"size"}},"value":1360}}"#,
            #"{"xt":{"type":"target","name":"LOG"}}"#,
            #"{"xt":{"type":"match","name":"addrtype"}}"#,
            #"{"jump":{"target":"x"}}"#,
        ])
    func harmless(_ expressions: String) { #expect(Self.kinds(expressions).isEmpty) }

    @Test(
        "What takes packets elsewhere is told as what it does, and what is not known as the worst",
        arguments: [
            (#"{"dnat":{"addr":"192.0.2.2"}}"#, RewritingRule.Kind.dnat),
            (#"{"masquerade":null}"#, .snat), (#"{"snat":{"addr":"192.0.2.2"}}"#, .snat),
            (#"{"redirect":{"port":9}}"#, .redirect),
            (#"{"dup":{"addr":"192.0.2.2"}}"#, .duplicate),
            (#"{"fwd":{"dev":"eth0"}}"#, .duplicate), (#"{"tproxy":{"port":1}}"#, .divert),
            (#"{"queue":{"num":0}}"#, .divert), (#"{"invented later":{}}"#, .divert),
            (#"{"mangle":{"key":{"meta":{"key":"mark"}},"value":1}}"#, .mark),
            (#"{"mangle":{"key":{"ct":{"key":"mark"}},"value":1}}"#, .mark),
            (
                #"{"mangle":{"key":{"payload":{"protocol":"ip","field":"daddr"}},"value":"192.0.2.2"}}"#,
                .dnat
            ),
            (
                #"{"mangle":{"key":{"payload":{"protocol":"ether","field":"daddr"}},"value":"x"}}"#,
                .divert
            ),
            (#"{"xt":{"type":"target","name":"DNAT"}}"#, .dnat),
            (#"{"xt":{"type":"target","name":"SOMETHING"}}"#, .divert), (#"{"xt":null}"#, .divert),
        ])
    func rewriting(_ expressions: String, _ kind: RewritingRule.Kind) {
        let rules = Self.kinds(expressions)
        #expect(rules.map(\.kind) == [kind])
        #expect(rules.first?.place == "ip t c")
        #expect(rules.first?.ports == nil && rules.first?.destinations == nil)
    }

    @Test("What a rule is limited to is told only where it can be told whole")
    func limits() throws {
        func port(_ right: String, _ op: String = "==") -> String {
            #"{"match":{"op":"\#(op)","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":\#(right)}}"#
        }
        func destination(_ right: String) -> String {
            #"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":\#(right)}}"#
        }
        func first(_ matches: String...) -> RewritingRule? {
            Self.kinds((matches + [#"{"redirect":{}}"#]).joined(separator: ",")).first
        }
        #expect(first(port("8080"))?.ports == [8080])
        #expect(first(port(#"{"set":[80,{"range":[90,92]}]}"#))?.ports == [80, 90, 91, 92])
        #expect(first(port("8080", "!="))?.ports == nil)
        #expect(first(port(#""@named""#))?.ports == nil)
        #expect(first(port(#"{"set":[80,"@named"]}"#))?.ports == nil)
        #expect(first(port(#"{"range":[1,65535]}"#))?.ports == nil)
        #expect(first(port(#"{"set":[80,81]}"#), port("81"))?.ports == [81])
        let host = try #require(IPPrefix("10.77.0.2/32"))
        #expect(first(destination(#""10.77.0.2""#))?.destinations == [host])
        let net = try #require(IPPrefix("10.77.0.0/24"))
        #expect(
            first(destination(#"{"prefix":{"addr":"10.77.0.0","len":24}}"#))?.destinations == [net])
        #expect(first(destination(#"{"range":["10.0.0.1","10.0.0.9"]}"#))?.destinations == nil)
    }

    @Test("Rules are told in nft's own words, and counters make no other ruleset")
    func words() throws {
        func json(_ handle: Int, _ packets: Int, _ port: Int) -> String {
            """
            {"nftables":[{"metainfo":{"version":"1"}},{"rule":{"family":"ip","table":"nat","chain":"out",
            "handle":\(handle),"expr":[{"counter":{"packets":\(packets),"bytes":9}},{"redirect":{"port":\(port)}}]}}]}
            """
        }
        let text = """
            table ip nat { # handle 1
            \tchain in { # handle 1
            \t\taccept # handle 7
            \t}
            \tchain out { # handle 2
            \t\ttype nat hook output priority -100; policy accept;
            \t\tcounter packets 1 bytes 9 redirect to :9 comment "# handle 3" # handle 7
            \t}
            }
            """
        let one = try #require(RulesetReader.parse(json: json(7, 1, 9), text: text))
        #expect(
            one.rules.map(\.text) == [
                "counter packets 1 bytes 9 redirect to :9 comment \"# handle 3\""
            ])
        let other = try #require(RulesetReader.parse(json: json(8, 5, 9), text: text))
        #expect(other.canonical == one.canonical)
        #expect(other.rules.first?.text.contains("redirect") == true)
        let changed = try #require(RulesetReader.parse(json: json(7, 1, 10), text: text))
        #expect(changed.canonical != one.canonical)
        #expect(RulesetReader.parse(json: "nonsense", text: "") == nil)
        #expect(RulesetReader.parse(json: "", text: "")?.rules.isEmpty == true)
    }

    @Test("The older iptables' rules")
    func legacy() throws {
        let text = """
            # Generated by iptables-save
            *nat
            :PREROUTING ACCEPT [0:0]
            :DOCKER - [0:0]
            -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
            -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
            -A DOCKER -d 10.77.0.2/32 ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
            -A DOCKER ! -d 10.77.0.2/32 -p tcp -m multiport ! --dports 1,2 -j DNAT --to-destination 172.17.0.2
            COMMIT
            *filter
            :INPUT ACCEPT [0:0]
            -A INPUT -p tcp --dport 22 -j ACCEPT
            COMMIT
            """
        let rules = LegacyRuleset.rules(in: text, family: "ip")
        #expect(rules.map(\.kind) == [.snat, .dnat, .dnat])
        #expect(rules.map(\.place) == ["ip nat POSTROUTING", "ip nat DOCKER", "ip nat DOCKER"])
        #expect(rules[1].ports == [8080])
        #expect(rules[1].destinations == [try #require(IPPrefix("10.77.0.2/32"))])
        #expect(rules[2].ports == nil && rules[2].destinations == nil)
    }
}
