/// How far a rotation has come, from what its journal says. Pure.
public struct RotationProgress: Sendable, Equatable {
    /// The steps that were begun, in order, and whether each was taken.
    public private(set) var entries: [Entry] = []

    /// One step that was begun.
    public struct Entry: Sendable, Equatable {
        /// Which.
        public var step: RotationStep
        /// Whether it was taken on all nodes.
        public var isDone: Bool

        /// Pairs the two.
        public init(_ step: RotationStep, isDone: Bool) {
            self.step = step
            self.isDone = isDone
        }
    }

    /// Nothing was begun, or what is given.
    public init(_ entries: [Entry] = []) {
        for entry in entries { note(entry.step, isDone: entry.isDone) }
    }

    /// Takes in what the journal says next; a step that was begun before is begun anew.
    public mutating func note(_ step: RotationStep, isDone: Bool) {
        if let position = entries.lastIndex(where: { $0.step == step }) {
            entries[position].isDone = entries[position].isDone || isDone
        } else {
            entries.append(Entry(step, isDone: isDone))
        }
    }

    /// The step that was begun last; ``RotationStep/prepare`` where none was.
    public var latest: RotationStep { entries.last?.step ?? .prepare }

    /// The step that was last taken on all nodes; ``RotationStep/prepare`` where none was.
    public var latestDone: RotationStep { entries.last(where: \.isDone)?.step ?? .prepare }

    /// Whether it is on its way back.
    public var isBack: Bool { entries.contains { $0.step.isBack } }

    /// Whether it can still be taken back: no old key may have been wiped, on this leg or the one before.
    public func canGoBack(_ plan: RotationPlan) -> Bool {
        plan.isHome != true && !isEndingOld
    }

    /// Whether only nodes without an agent are waited for: the mesh is on its new keys, and can be worked with.
    public var isInGrace: Bool { entries.last.map { $0.step == .grace && !$0.isDone } ?? false }

    /// Whether old keys are being taken away: everybody who is told by commands has moved for good.
    public var isEndingOld: Bool {
        entries.contains { [.grace, .retire, .finish].contains($0.step) }
    }

    /// The step to take now, or nil where all are taken.
    ///
    /// - Parameter isBack: whether to go back; once begun, the way back is gone to its end.
    public func next(_ plan: RotationPlan, isBack wantsBack: Bool = false) -> RotationStep? {
        guard isBack || wantsBack else { return plan.forward.first { step in !isDone(step) } }
        let hasMoved = entries.contains { $0.step == .move || $0.step == .swap }
        return plan.back(hasMoved: hasMoved).first { step in !isDone(step) }
    }

    private func isDone(_ step: RotationStep) -> Bool {
        entries.contains { $0.step == step && $0.isDone }
    }
}
