import Glibc
import LinuxSystem
import MeshModel
import Netlink
import PacketFilter
import Secrets

/// What could take an edge's packets elsewhere: packet filters, traffic control, and Multipath TCP.
struct RewritingReader {
    let socket: RouteSocket
    let links: [Link]

    /// Nil with a failure where nftables cannot be read; what else cannot be read is a failure beside the rest.
    func read() -> (facts: RewritingFacts?, failures: [FactFailure]) {
        var failures: [FactFailure] = []
        let ruleset: RulesetReading
        do throws(PacketFilterError) { ruleset = try RulesetReader.read() } catch {
            return (nil, [FactFailure("rewriting", error)])
        }
        var facts = RewritingFacts(
            digest: Digests.sha256(ruleset.canonical), rules: ruleset.rules, mirrors: [],
            multipathEndpoints: [])
        for family in Self.legacyFamilies {
            let legacy = Self.legacy(family)
            facts.rules += legacy.rules
            if let failure = legacy.failure { failures.append(failure) }
        }
        do throws(NetlinkError) {
            facts.mirrors = try mirrors()
        } catch {
            failures.append(FactFailure("rewriting", error))
        }
        do throws(SystemError) {
            for link in links {
                facts.mirrors += try AttachedPrograms.ofLink(link.index).map {
                    "\(link.name) \($0)"
                }
            }
            facts.mirrors += try AttachedPrograms.ofGroups()
        } catch {
            failures.append(
                FactFailure(
                    section: "rewriting", message: error.description,
                    fix: "look with `bpftool net` and `bpftool cgroup tree`, and verify again"))
        }
        do throws(NetlinkError) {
            facts.multipathEndpoints = try MultipathEndpoints().all().map { endpoint in
                let device = endpoint.interfaceIndex.flatMap { $0 == 0 ? nil : " dev \(name($0))" }
                return endpoint.text + (device ?? "")
            }
        } catch {
            failures.append(FactFailure("rewriting", error))
        }
        return (facts, failures)
    }

    // MARK: Traffic control

    /// Actions that only judge, count or note.
    private static let harmless: Set<String> = ["gact", "police", "csum", "simple", "gate"]

    private func mirrors() throws(NetlinkError) -> [String] {
        var found = links.compactMap { link in
            link.xdpProgram.map { "\(link.name) xdp: program \($0)" }
        }
        for filter in try socket.trafficFilters() {
            let actions = filter.actions.filter { !Self.harmless.contains($0.kind) }
            // A program may send packets anywhere without an action.
            if actions.isEmpty && filter.kind != "bpf" { continue }
            let deeds = actions.map { action in
                guard let mirror = action.mirror else { return action.kind }
                return "\(action.kind) \(mirror.isRedirect ? "redirect" : "mirror") "
                    + "to \(mirror.isIngress ? "ingress" : "egress") of \(name(mirror.interfaceIndex))"
            }
            let text = ([filter.kind] + deeds).joined(separator: " ")
            found.append("\(name(filter.interfaceIndex)) \(filter.hook): \(text)")
        }
        return found
    }

    private func name(_ index: Int32) -> String {
        links.first { $0.index == index }?.name ?? "link \(index)"
    }

    // MARK: The older iptables

    private struct LegacyFamily {
        let name: String
        let list: String
        let program: String
    }

    private static let legacyFamilies = [
        LegacyFamily(name: "ip", list: "ip_tables_names", program: "iptables-legacy-save"),
        LegacyFamily(name: "ip6", list: "ip6_tables_names", program: "ip6tables-legacy-save"),
    ]

    /// Its rules are not nftables' and not in its listing; only its own program prints them.
    private static func legacy(
        _ family: LegacyFamily
    ) -> (rules: [RewritingRule], failure: FactFailure?) {
        let path = "/proc/thread-self/net/\(family.list)"
        // Without the module there is no such list, and with it, but without tables, an empty one.
        let bytes = (try? Files.readIfPresent(path)) ?? []
        let tables = bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
        if tables.isEmpty { return ([], nil) }
        if let result = try? Child.run([family.program], timeout: 5), result.status.isSuccess {
            return (LegacyRuleset.rules(in: result.text, family: family.name), nil)
        }
        // The others cannot rewrite.
        guard tables.contains(where: { ["nat", "mangle"].contains($0) }) else { return ([], nil) }
        return (
            [],
            FactFailure(
                section: "rewriting",
                message:
                    "rules of the older iptables (\(tables.joined(separator: ", "))) cannot be "
                    + "read: \(family.program) is not here or fails",
                fix: "install Debian's iptables on the node, or move the rules to nftables")
        )
    }
}
