import Glibc
import LinuxSystem

/// The network of a host: `lo`, and `eth0` on the lab's wire. Runs before /run is the host's own.
enum HostNetwork {
    static func build(_ spec: HostSpec) throws(LabError) {
        let names = LabNames(mesh: spec.mesh)
        quieten()
        let device = LabNames.underlay
        let port = LabNames.port(spec.node)
        let lan = names.namespace(LabNames.lan)
        var batch = [
            "link set lo up",
            "link add \(device) address \(LabNames.mac(spec.node)) type veth peer name \(port) netns \(lan)",
        ]
        batch += spec.addresses.map { "addr add \($0) dev \(device) nodad" }
        batch.append("link set \(device) up")
        batch += spec.routes.map { "route add \($0) dev \(device)" }
        try Tools.run(["ip", "-batch", "-"], input: batch.joined(separator: "\n") + "\n")
        // A bridge's port needs no address of its own.
        try Tools.run([
            "ip", "-n", lan, "link", "set", port, "addrgenmode", "none", "master", LabNames.bridge,
            "up",
        ])
    }

    /// Gives a running host, from outside, the routes it should have now.
    static func reroute(from old: HostSpec, to new: HostSpec) throws(LabError) {
        let device = LabNames.underlay
        let gone = old.routes.filter { !new.routes.contains($0) }
        let batch =
            gone.map { "route del \($0) dev \(device)" }
            + new.routes.filter { !old.routes.contains($0) }.map {
                "route replace \($0) dev \(device)"
            }
        if batch.isEmpty { return }
        let file = LabNames(mesh: new.mesh).namespaceFile(new.node)
        try Tools.run(
            ["nsenter", "--net=\(file)", "--", "ip", "-force", "-batch", "-"],
            input: batch.joined(separator: "\n") + "\n")
    }

    /// Duplicate address detection would hold IPv6 back for a second; nobody else is on this wire.
    static func quieten() {
        for scope in ["all", "default"] {
            Tools.set("/proc/sys/net/ipv6/conf/\(scope)/accept_dad", "0")
            Tools.set("/proc/sys/net/ipv6/conf/\(scope)/dad_transmits", "0")
            Tools.set("/proc/sys/net/ipv6/conf/\(scope)/accept_ra", "0")
        }
    }
}
