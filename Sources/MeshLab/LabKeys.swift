import LinuxSystem
import MeshModel

/// The lab's own SSH identity: one key that every host lets in, a host key for each, pinned; nobody trusts on first use.
struct LabKeys {
    let plan: LabPlan

    private var names: LabNames { plan.names }
    private var hostKeys: String { "\(names.ssh)/host-keys" }

    /// Makes the keys that are missing.
    func make() throws(LabError) {
        do { try Files.makeFolder(hostKeys) } catch { throw LabError(error) }
        let jobs =
            [(names.sshKey, "meshproof-lab-\(names.mesh)")]
            + plan.nodes.map { ("\(hostKeys)/\($0)", $0) }
        let missing = jobs.filter { !Files.exists("\($0.0).pub") }
        let failures: [LabError?]
        do {
            failures = try fanOut(missing, limit: 8, name: "lab-keys") { path, comment in
                do throws(LabError) {
                    _ = try? Files.remove(path)
                    try Tools.run([
                        "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path,
                    ])
                    return nil
                } catch {
                    return error
                }
            }
        } catch {
            throw LabError(error)
        }
        if let failure = failures.compactMap({ $0 }).first { throw failure }
    }

    /// Gives a host its own key, and the lab's key as the one to let in.
    func install(_ node: String, in folder: String) throws(LabError) {
        do {
            let own = try Files.read("\(hostKeys)/\(node)")
            try Files.replace("\(folder)/ssh_host_ed25519_key", with: own)
            let lab = try Files.read("\(names.sshKey).pub")
            try Files.replace("\(folder)/authorized_keys", with: lab, mode: 0o644)
        } catch {
            throw LabError(error)
        }
    }

    /// Writes what a client needs: configuration and known hosts.
    func publish() throws(LabError) {
        do {
            var known: [String] = []
            for host in plan.hosts {
                let key = String(
                    decoding: try Files.read("\(hostKeys)/\(host.node).pub"), as: UTF8.self
                )
                .split(whereSeparator: \.isWhitespace).prefix(2).joined(separator: " ")
                known += callings(host).map { "\(place($0, host.spec.sshPort)) \(key)" }
            }
            try Files.replace(
                names.knownHosts, with: (known.joined(separator: "\n") + "\n").utf8)
            let blocks = plan.hosts.map(block).joined(separator: "\n")
            try Files.replace(
                names.sshConfig,
                with: "# The hosts of the meshproof lab of \(names.mesh).\n\(blocks)".utf8)
        } catch {
            throw LabError(error)
        }
    }

    /// Everything a host is called: its node's name, its addresses, its names in the topology.
    private func callings(_ host: LabPlan.Host) -> [String] {
        var all = [host.node]
        for name in host.names + host.spec.addresses.map(\.address.description)
        where !all.contains(name) { all.append(name) }
        return all
    }

    /// *Source:* `sshd(8)`, SSH_KNOWN_HOSTS FILE FORMAT.
    private func place(_ name: String, _ port: UInt16) -> String {
        port == 22 ? name : "[\(name)]:\(port)"
    }

    private func block(_ host: LabPlan.Host) -> String {
        """
        Host \(callings(host).joined(separator: " "))
            HostName \(host.address)
            Port \(host.spec.sshPort)
            User \(host.spec.user)
            IdentityFile \(names.sshKey)
            IdentitiesOnly yes
            UserKnownHostsFile \(names.knownHosts)
            GlobalKnownHostsFile /dev/null
            StrictHostKeyChecking yes

        """
    }
}
