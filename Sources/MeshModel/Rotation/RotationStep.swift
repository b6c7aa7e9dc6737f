/// One step of a rotation, on all nodes; the next begins when all nodes have taken it.
///
/// Up to ``rest`` nothing of the old keys is lost, and the way back is open; from ``grace`` on, or ``retire``, there is
/// only forward.
public enum RotationStep: String, Codable, Sendable, CaseIterable {
    /// Every node makes its new keys.
    case prepare
    /// Both sets stand side by side, and all traffic goes by the old one.
    case beside
    /// Every peering shakes hands with its new keys.
    case handshake
    /// All traffic goes by the new set; what comes by the old one is still taken in.
    case move
    /// Nothing goes by the old set any more.
    case rest
    /// The old set is left to nodes without an agent alone, until they have their new configuration.
    case grace
    /// The old set is taken away, tried in vain, and wiped.
    case retire
    /// Every node is searched for what is left of it.
    case sweep
    /// The controller notes the new set as the one in use.
    case finish

    /// On the way back: all traffic goes by the old set again.
    case moveBack = "move-back"
    /// On the way back: nothing goes by the new set any more.
    case restBack = "rest-back"
    /// On the way back: the new set is taken away, and wiped.
    case withdraw
    /// On the way back: every node is searched for what is left of it.
    case sweepBack = "sweep-back"
    /// On the way back: the controller forgets the new set.
    case cancel

    /// Preshared keys in place: both ends of every peering have the new one.
    case swap
    /// Every peering has shaken hands with its new preshared key.
    case renew
    /// On the way back: both ends have the old preshared key again.
    case swapBack = "swap-back"
    /// On the way back: every peering has shaken hands with its old preshared key.
    case renewBack = "renew-back"

    /// The steps of a rotation that goes through; ``grace`` comes before ``retire`` where there are nodes without an agent.
    public static let forward: [RotationStep] = [
        .prepare, .beside, .handshake, .move, .rest, .retire, .sweep, .finish,
    ]
    /// The steps of one that is taken back.
    public static let back: [RotationStep] = [
        .moveBack, .restBack, .withdraw, .sweepBack, .cancel,
    ]

    /// Whether it is one of the way back.
    public var isBack: Bool {
        Self.back.contains(self) || self == .swapBack || self == .renewBack
    }

    /// Which keys documents hold in this step.
    enum Keys { case old, oldFirst, newFirst, grace, new }

    var keys: Keys {
        switch self {
        case .prepare, .withdraw, .sweepBack, .cancel, .swapBack, .renewBack: .old
        case .beside, .handshake, .moveBack, .restBack: .oldFirst
        case .move, .rest: .newFirst
        case .grace: .grace
        case .retire, .sweep, .finish, .swap, .renew: .new
        }
    }

    /// What it does, for people.
    public var summary: String {
        switch self {
        case .prepare: "every node makes its new keys"
        case .beside: "new keys stand beside the old ones"
        case .handshake: "every peering has shaken hands with its new keys"
        case .move: "traffic goes by the new keys"
        case .rest: "nothing goes by the old keys any more"
        case .grace: "nobody is left with the old keys"
        case .retire: "the old keys are taken away and wiped"
        case .sweep: "nothing of the old keys is left on any node"
        case .finish: "the new keys are noted as those in use"
        case .moveBack: "traffic goes by the old keys again"
        case .restBack: "nothing goes by the new keys any more"
        case .withdraw: "the new keys are taken away and wiped"
        case .sweepBack: "nothing of the new keys is left on any node"
        case .cancel: "the rotation is off"
        case .swap: "both ends of every peering have the new preshared key"
        case .renew: "every peering has shaken hands with its new preshared key"
        case .swapBack: "both ends of every peering have the old preshared key again"
        case .renewBack: "every peering has shaken hands with its old preshared key"
        }
    }
}
