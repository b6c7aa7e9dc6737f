package import MeshModel

/// What one frame between two machines of the mesh was taken for.
package struct Sorting: Hashable, Sendable {
    /// The machines.
    package var pair: HostIndex.Pair
    /// What it was taken for, as far as one frame tells.
    package var kind: WireFlow.Kind
    /// How an undeclared one's bytes look; of TCP only the whole flow tells.
    package var appearance: WireFlow.Appearance
    /// Tells series of echoes apart; 0 for all else.
    package var series: UInt16 = 0
}
