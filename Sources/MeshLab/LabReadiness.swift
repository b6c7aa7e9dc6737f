import LinuxSystem

/// Waits until the services of a lab listen.
struct LabReadiness {
    let plan: LabPlan
    /// The hosts that were started or changed, whose services are worth a line.
    let new: Set<String>
    let say: @Sendable (String) -> Void

    func wait(until deadline: Double) throws(LabError) {
        var waiting = plan.hosts.flatMap { host in host.services.map { (host, $0) } }
        var pause = 0.005
        while true {
            let locks = plan.nodes.map { "\(plan.names.host($0))/lock" }
            let holders = Processes.lockHolders(locks)
            var listeners: [String: Listeners] = [:]
            for node in Set(waiting.map(\.0.node)) {
                let pid = holders["\(plan.names.host(node))/lock"]
                guard let pid else { throw gone(node) }
                listeners[node] = Listeners(of: pid)
            }
            waiting.removeAll { host, service in
                guard listeners[host.node]?.has(service) ?? false else { return false }
                guard new.contains(host.node) else { return true }
                let what = service.isStandIn ? "a stand-in for \(service.kind)" : service.run[0]
                say("\(host.node): \(service.name) listens (\(what))")
                return true
            }
            if waiting.isEmpty { return }
            for (host, service) in waiting { try giveUpEarly(host, service) }
            if Clocks.monotonic() > deadline { throw late(waiting) }
            Clocks.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        }
    }

    /// What has failed for good, or keeps dying, is not waited for.
    private func giveUpEarly(_ host: LabPlan.Host, _ service: ServiceSpec) throws(LabError) {
        let report = HostReport.read(plan.names.host(host.node))
        guard let process = report?.services.first(where: { $0.name == service.name }),
            process.state == .failed || process.restarts >= 5
        else { return }
        throw LabError(
            .notReady, "start", "\(service.name) on \(host.node)",
            "\(process.ended ?? "it keeps dying"): \(log(host, service))",
            hint: "see the `lab:` section of the topology")
    }

    private func late(_ waiting: [(LabPlan.Host, ServiceSpec)]) -> LabError {
        let lines = waiting.map { host, service in
            let place = service.socketPath ?? "port \(service.port)"
            return "\(service.name) on \(host.node), \(place): \(log(host, service))"
        }
        return LabError(
            .notReady, "wait for", "\(waiting.count) services",
            "they do not listen:\n  " + lines.joined(separator: "\n  "),
            hint: "the command must listen on the service's port; see the `lab:` section")
    }

    private func gone(_ node: String) -> LabError {
        LabError(
            .failed, "wait for", node,
            "the host has ended: "
                + LogTail.of("\(plan.names.host(node))/host.log"))
    }

    private func log(_ host: LabPlan.Host, _ service: ServiceSpec) -> String {
        LogTail.of("\(plan.names.host(host.node))/run/lab/log/\(service.name).log")
    }
}
