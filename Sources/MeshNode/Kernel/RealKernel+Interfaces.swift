import MeshModel
import Netlink
import Secrets
import WireGuard

extension RealKernel {
    /// A link of a mesh, with its WireGuard side where it has one.
    static func interface(
        _ link: Link, _ addresses: [IPPrefix]
    ) throws(NodeError) -> ObservedInterface {
        var kind = InterfaceKind.foreign(kind: link.kind ?? "hardware")
        var device: ObservedDevice?
        do throws(WireGuardError) {
            kind = try Backends.kind(of: link.name) ?? kind
            if let backend = try Backends.holding(link.name) {
                device = try backend.read(link.name) { PresharedKeys.identify($0) }
            }
        } catch {
            // A device that went away meanwhile, or a program that does not answer, is no device; but where the
            // kernel itself refuses to tell, nothing may be concluded.
            guard error.code == .missing || kind != .kernel else { throw Self.failure(error) }
        }
        return ObservedInterface(
            name: link.name, index: link.index, kind: kind, isUp: link.isUp, mtu: Int(link.mtu),
            group: link.group, addresses: addresses, device: device)
    }
}
