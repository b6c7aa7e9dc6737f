import MeshModel
import Netlink
import PacketFilter

extension FactFailure {
    /// What the kernel refused to tell.
    init(_ section: String, _ error: NetlinkError) {
        self.init(
            section: section, message: error.description,
            fix: error.hint ?? "verify again; if it stays, `meshproof verify` needs a newer kernel")
    }

    /// What could not be found out.
    init(_ section: String, _ error: NodeError) {
        self.init(
            section: section, message: error.description,
            fix: error.hint.isEmpty ? "verify again" : error.hint)
    }

    /// What libnftables could not tell.
    init(_ section: String, _ error: PacketFilterError) {
        self.init(
            section: section, message: "\(error.operation): \(error.message)",
            fix: error.hint.isEmpty ? "look with `nft list ruleset`, and verify again" : error.hint)
    }
}
