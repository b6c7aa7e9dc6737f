import LinuxSystem
import MeshModel

/// The lab's wire: one bridge in a namespace of its own, with no way out.
struct LabLan {
    let plan: LabPlan

    private var names: LabNames { plan.names }

    /// Makes the namespace and its bridge, or mends them. *Idempotency:* leaves what is right alone.
    func build() throws(LabError) {
        let file = names.namespaceFile(LabNames.lan)
        let entry: [String]
        if Processes.namespaceID(file) == nil {
            do { try Files.touch(file, mode: 0o444) } catch { throw LabError(error) }
            entry = ["unshare", "--net=\(file)", "--"]
        } else {
            entry = ["nsenter", "--net=\(file)", "--"]
        }
        // What the lan had before must go where it has changed: a new host may have that address.
        let record = "\(names.root)/lan"
        let before = (try? Files.readIfPresent(record)) ?? nil
        let flush =
            before == nil || before == Array(batch.utf8)
            ? "" : "addr flush dev \(LabNames.bridge) scope global\n"
        try Tools.run(entry + ["/bin/sh", "-c", script], input: flush + batch)
        do { try Files.replace(record, with: batch.utf8) } catch { throw LabError(error) }
    }

    /// A bridge whose frames the machine's own packet filter must not see, and whose address does not follow its
    /// ports': the hosts' neighbour entries would go stale.
    private var script: String {
        let bridge = LabNames.bridge
        return """
            for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ -w "$f" ] && echo 0 >"$f"; done
            for s in all default; do
                echo 0 >/proc/sys/net/ipv6/conf/$s/accept_dad
                echo 0 >/proc/sys/net/ipv6/conf/$s/dad_transmits
            done 2>/dev/null
            ip link show \(bridge) >/dev/null 2>&1 ||
                ip link add \(bridge) address \(LabNames.mac(names.mesh)) type bridge mcast_snooping 0 2>/dev/null ||
                ip link add \(bridge) address \(LabNames.mac(names.mesh)) type bridge || exit 1
            exec ip -batch -
            """
    }

    private var batch: String {
        let bridge = LabNames.bridge
        var lines = ["link set lo up"]
        lines += plan.lanAddresses.map { "addr replace \($0) dev \(bridge) nodad" }
        lines.append("link set \(bridge) up")
        let covered = Set(plan.lanAddresses.map(\.network))
        lines += plan.networks.filter { !covered.contains($0) }
            .map { "route replace \($0) dev \(bridge)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Waits, from within the lan, until every host's sshd has greeted.
    func probe(program: String, seconds: Double) throws(LabError) {
        let targets = plan.hosts.map { host in
            "\(host.node)=\(SocketEndpoint(host.address, host.spec.sshPort))"
        }
        let file = names.namespaceFile(LabNames.lan)
        let command =
            ["nsenter", "--net=\(file)", "--", program, "lab-host", "--probe", String(seconds)]
            + targets
        let result: CommandResult
        do { result = try Child.run(command, timeout: seconds + 10) } catch {
            throw LabError(error)
        }
        if result.status.isSuccess { return }
        let silent = result.text.isEmpty ? result.errorText : result.text
        let logs = plan.hosts.filter { silent.contains("\($0.node): ") }
            .map { LogTail.of("\(names.host($0.node))/run/lab/log/sshd.log") }
        throw LabError(
            .notReady, "wait for sshd", "", "\(silent)\n    \(logs.joined(separator: "\n    "))")
    }
}
