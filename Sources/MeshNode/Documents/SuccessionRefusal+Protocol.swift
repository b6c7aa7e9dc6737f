import NodeProtocol
import Secrets

extension SuccessionRefusal {
    /// What the controller is told.
    var protocolError: ProtocolError {
        switch self {
        case .otherMesh:
            ProtocolError(.wrongName, "the change of the controller's key is of another mesh")
        case .forged:
            ProtocolError(
                .signature, "the change of the controller's key is not signed by both keys")
        case .stale:
            ProtocolError(
                .staleRevision, "the node has followed a later change of the controller's key")
        case .foreign:
            ProtocolError(
                .otherController,
                "the change of the controller's key does not begin at the key that this node has pinned"
            )
        }
    }
}
