import MeshModel
import Netlink
import TestSupport
import Testing

@Suite("What is sent to the routing family")
struct GoldenRequestTests {
    private func request(_ body: (RouteSocket) throws -> Void) rethrows -> [UInt8] {
        let kernel = MemoryKernel()
        try body(kernel.socket())
        return kernel.requests.last ?? []
    }

    @Test("create link")
    func createLink() throws {
        let golden =
            field([0x44, 0, 0, 0, 0x10, 0], "length 68, RTM_NEWLINK")
            + field([5, 6], "NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field([0, 0, 0, 0], "ifi_family, padding, ifi_type")
            + field([0, 0, 0, 0], "ifi_index: a new one")
            + field([0, 0, 0, 0, 0, 0, 0, 0], "ifi_flags, ifi_change")
            + field([8, 0, 3, 0, 0x77, 0x67, 0x30, 0], "IFLA_IFNAME \"wg0\"")
            + field([8, 0, 27, 0, 0x70, 0x6d, 0, 0], "IFLA_GROUP 0x6d70")
            + field([0x14, 0, 18, 0x80], "IFLA_LINKINFO, 20 bytes, nested")
            + field([0x0e, 0, 1, 0], "IFLA_INFO_KIND, 14 bytes")
            + field(Array("wireguard\0".utf8) + [0, 0], "the kind, its zero, padding")
        let sent = try request { try $0.createLink(name: "wg0", kind: "wireguard", group: 0x6d70) }
        #expect(hex(sent) == hex(golden))
    }

    @Test("loosen reverse path")
    func loosenReversePath() throws {
        let golden =
            field([0x34, 0, 0, 0, 0x10, 0], "length 52, RTM_NEWLINK")
            + field([5, 0], "NLM_F_REQUEST | NLM_F_ACK")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field([0, 0, 0, 0], "ifi_family, padding, ifi_type")
            + field([7, 0, 0, 0], "interface 7")
            + field([0, 0, 0, 0, 0, 0, 0, 0], "ifi_flags, ifi_change: none")
            + field([0x14, 0, 26, 0x80], "IFLA_AF_SPEC, 20 bytes, nested")
            + field([0x10, 0, 2, 0x80], "AF_INET, 16 bytes, nested")
            + field([0x0c, 0, 1, 0x80], "IFLA_INET_CONF, 12 bytes, nested")
            + field([8, 0, 8, 0, 2, 0, 0, 0], "IPV4_DEVCONF_RP_FILTER 2")
        #expect(hex(try request { try $0.loosenReversePath(index: 7) }) == hex(golden))
    }

    @Test("add address")
    func addAddress() throws {
        let golden =
            field([0x28, 0, 0, 0, 0x14, 0], "length 40, RTM_NEWADDR")
            + field([5, 5], "NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | NLM_F_CREATE")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field([2, 32, 0, 0], "AF_INET, /32, flags, scope universe")
            + field([7, 0, 0, 0], "interface 7")
            + field([8, 0, 2, 0, 10, 77, 0, 1], "IFA_LOCAL 10.77.0.1")
            + field([8, 0, 1, 0, 10, 77, 0, 1], "IFA_ADDRESS 10.77.0.1")
        let prefix = try #require(IPPrefix("10.77.0.1/32"))
        #expect(hex(try request { try $0.addAddress(index: 7, prefix) }) == hex(golden))
    }

    @Test("an IPv6 address is added without duplicate address detection")
    func addIPv6Address() throws {
        let address: [UInt8] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        let golden =
            field([0x40, 0, 0, 0, 0x14, 0], "length 64, RTM_NEWADDR")
            + field([5, 5], "NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | NLM_F_CREATE")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field([10, 128, 2, 0], "AF_INET6, /128, IFA_F_NODAD, scope universe")
            + field([7, 0, 0, 0], "interface 7")
            + field([20, 0, 2, 0] + address, "IFA_LOCAL fd77::1")
            + field([20, 0, 1, 0] + address, "IFA_ADDRESS fd77::1")
        let prefix = try #require(IPPrefix("fd77::1/128"))
        #expect(hex(try request { try $0.addAddress(index: 7, prefix) }) == hex(golden))
    }

    @Test("set route")
    func setRoute() throws {
        let golden =
            field([0x4c, 0, 0, 0, 0x18, 0], "length 76, RTM_NEWROUTE")
            + field([5, 5], "NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | NLM_F_CREATE")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field([10, 64, 0, 0], "AF_INET6, /64, source /0, tos")
            + field([254, 0x6d, 253, 1], "table main, our protocol, scope link, RTN_UNICAST")
            + field([0, 0, 0, 0], "rtm_flags")
            + field([0x14, 0, 1, 0], "RTA_DST")
            + field([0xfd, 0x77] + [UInt8](repeating: 0, count: 14), "fd77::")
            + field([8, 0, 4, 0, 7, 0, 0, 0], "RTA_OIF 7")
            + field([8, 0, 6, 0, 0x2a, 0, 0, 0], "RTA_PRIORITY 42")
            + field([0x0c, 0, 8, 0x80, 8, 0, 2, 0, 0x8c, 5, 0, 0], "RTA_METRICS { RTAX_MTU 1420 }")
        let route = Route(
            destination: try #require(IPPrefix("fd77::5/64")), routeProtocol: 0x6d,
            interfaceIndex: 7,
            metric: 42, mtu: 1420)
        #expect(hex(try request { try $0.replaceRoute(route) }) == hex(golden))
    }

    @Test("add rule")
    func addRule() throws {
        let golden =
            field([0x44, 0, 0, 0, 0x20, 0], "length 68, RTM_NEWRULE")
            + field([5, 6], "NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE")
            + field([1, 0, 0, 0, 0, 0, 0, 0], "sequence 1, port 0")
            + field([2, 8, 0, 0], "AF_INET, to /8, from /0, tos")
            + field([0, 0, 0, 1], "table in FRA_TABLE, reserved, FR_ACT_TO_TBL")
            + field([0, 0, 0, 0], "flags")
            + field([8, 0, 6, 0, 0xe8, 3, 0, 0], "FRA_PRIORITY 1000")
            + field([5, 0, 21, 0, 0x6d, 0, 0, 0], "FRA_PROTOCOL ours")
            + field([8, 0, 15, 0, 0x70, 0x6d, 0, 0], "FRA_TABLE 0x6d70")
            + field([8, 0, 1, 0, 10, 0, 0, 0], "FRA_DST 10.0.0.0")
            + field([8, 0, 10, 0, 1, 0, 0, 0], "FRA_FWMARK 1")
        var rule = Rule(family: .ipv4, priority: 1000, action: .table(0x6d70), routeProtocol: 0x6d)
        rule.to = IPPrefix("10.0.0.0/8")
        rule.mark = 1
        #expect(hex(try request { try $0.addRule(rule) }) == hex(golden))
    }
}
