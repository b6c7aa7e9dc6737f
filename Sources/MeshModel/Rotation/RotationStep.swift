/// One step of a rotation, on all nodes; the next begins when all nodes have taken it.
///
/// Up to ``rest`` nothing of the old keys is lost, and the way back is open; from ``retire`` on there is only forward.
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

    /// The steps of a rotation that goes through.
    public static let forward: [RotationStep] = [
        .prepare, .beside, .handshake, .move, .rest, .retire, .sweep, .finish,
    ]
    /// The steps of one that is taken back.
    public static let back: [RotationStep] = [
        .moveBack, .restBack, .withdraw, .sweepBack, .cancel,
    ]

    /// Whether it is one of the way back.
    public var isBack: Bool { Self.back.contains(self) }

    /// Which keys documents hold in this step.
    enum Keys { case old, oldFirst, newFirst, new }

    var keys: Keys {
        switch self {
        case .prepare, .withdraw, .sweepBack, .cancel: .old
        case .beside, .handshake, .moveBack, .restBack: .oldFirst
        case .move, .rest: .newFirst
        case .retire, .sweep, .finish: .new
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
        case .retire: "the old keys are taken away and wiped"
        case .sweep: "nothing of the old keys is left on any node"
        case .finish: "the new keys are noted as those in use"
        case .moveBack: "traffic goes by the old keys again"
        case .restBack: "nothing goes by the new keys any more"
        case .withdraw: "the new keys are taken away and wiped"
        case .sweepBack: "nothing of the new keys is left on any node"
        case .cancel: "the rotation is off"
        }
    }
}
