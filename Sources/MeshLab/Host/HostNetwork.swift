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
        batch += spec.onLink.map { "route add \($0) dev \(device)" }
        batch += spec.gateways.map { "route add default via \($0) dev \(device)" }
        try Tools.run(["ip", "-batch", "-"], input: batch.joined(separator: "\n") + "\n")
        try Tools.run(["ip", "-n", lan, "link", "set", port, "master", LabNames.bridge, "up"])
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
