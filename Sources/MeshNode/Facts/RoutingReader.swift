import LinuxSystem
import MeshModel
import Netlink

/// How this network namespace routes an order's flows.
struct RoutingReader {
    let socket: RouteSocket
    let links: [Link]

    /// *Throws:* what the kernel says where rules or routes cannot be listed; a flow that cannot be asked for is a failure.
    func read(_ order: WitnessOrder) throws(NetlinkError) -> (
        facts: RoutingFacts, failures: [FactFailure]
    ) {
        let rules = try socket.rules()
        let strays = StrayRoutes(
            routes: try socket.routes(), rules: rules,
            meshLinks: Set(links.filter { $0.group == Ownership.linkGroup }.map(\.index)),
            own: Set(order.hosts.filter { $0.node == order.node }.flatMap(\.overlay)),
            overlay: order.hosts.flatMap(\.overlay))
        let names = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { $1 })
        var facts = RoutingFacts(
            answers: [], rules: rules.filter { !Self.isDefault($0) }.map { RuleText.rule($0) },
            strays: strays.find().map { RuleText.route($0, names: names) })
        var failures: [FactFailure] = []
        for question in order.flows {
            for user in question.users.isEmpty ? [0] : question.users {
                do throws(NetlinkError) {
                    facts.answers.append(try answer(question, user))
                } catch {
                    failures.append(FactFailure("routing", error))
                }
            }
        }
        return (facts, failures)
    }

    private func answer(_ question: FlowQuestion, _ user: UInt32) throws(NetlinkError) -> FlowAnswer
    {
        var asked = RouteQuestion(to: question.destination)
        asked.source = question.source
        asked.user = user
        // TCP: what edges are made of.
        asked.ipProtocol = 6
        asked.sourcePort = question.sourcePort
        asked.destinationPort = question.destinationPort
        let answer = try socket.route(asked)
        let leaves = answer.kind == .unicast || answer.kind == .local
        let link = links.first { $0.index == answer.interfaceIndex }
        return FlowAnswer(
            question: question, user: user,
            interface: leaves ? link?.name ?? answer.interfaceIndex.map { "link \($0)" } : nil,
            group: leaves ? link?.group ?? 0 : 0, isLocal: answer.kind == .local,
            gateway: answer.gateway, source: answer.source,
            table: answer.table != 0 ? answer.table : answer.matched?.table ?? 0)
    }

    /// The kernel's own: local, main and default. *Source:* ip-rule(8).
    private static func isDefault(_ rule: Rule) -> Bool {
        let tables: [UInt32: UInt32] = [0: 255, 32_766: 254, 32_767: 253]
        guard let table = tables[rule.priority] else { return false }
        var plain = Rule(family: rule.family, priority: rule.priority, action: .table(table))
        plain.routeProtocol = rule.routeProtocol
        return plain == rule
    }
}
