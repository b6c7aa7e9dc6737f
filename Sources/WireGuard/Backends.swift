public import MeshModel
import Netlink

/// Which implementation of WireGuard to use, and which holds an interface.
public enum Backends {
    /// The backend for a choice: for `auto` the kernel's where there is one, else wireguard-go.
    ///
    /// *Throws:* `unavailable`, with what to install.
    public static func choose(_ choice: BackendChoice) throws(WireGuardError)
        -> any WireGuardBackend
    {
        switch choice {
        case .kernel:
            if KernelBackend.isAvailable() { return KernelBackend() }
            throw unavailable(
                "kernel", "boot a kernel with the wireguard module, or set the backend to userspace"
            )
        case .userspace:
            if UserspaceBackend.isAvailable() { return UserspaceBackend() }
            throw unavailable(
                "wireguard-go", "apt-get install wireguard-go, and load the tun module")
        case .auto:
            if KernelBackend.isAvailable() { return KernelBackend() }
            if UserspaceBackend.isAvailable() { return UserspaceBackend() }
            throw unavailable(
                "wireguard",
                "boot a kernel with the wireguard module, or apt-get install wireguard-go")
        }
    }

    /// What carries an interface; nil where there is none of that name.
    public static func kind(of name: String) throws(WireGuardError) -> InterfaceKind? {
        let link = try translating(name) { () throws(NetlinkError) in
            try RouteSocket().link(named: name)
        }
        guard let link else { return nil }
        if link.kind == KernelBackend.linkKind { return .kernel }
        if link.kind == UserspaceBackend.linkKind, UserspaceBackend().answers(name) {
            return .userspace
        }
        return .foreign(kind: link.kind ?? "hardware")
    }

    /// The backend that holds an interface; nil where there is none of that name, or it is no WireGuard.
    public static func holding(_ name: String) throws(WireGuardError) -> (any WireGuardBackend)? {
        switch try kind(of: name) {
        case .kernel: KernelBackend()
        case .userspace: UserspaceBackend()
        case .foreign, nil: nil
        }
    }

    private static func unavailable(_ what: String, _ hint: String) -> WireGuardError {
        WireGuardError(.unavailable, "find", what, text: "this machine has none", hint: hint)
    }
}
