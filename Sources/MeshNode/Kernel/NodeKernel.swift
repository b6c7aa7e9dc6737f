package import MeshModel

/// What to look at in the kernel, and by what to know our own.
package struct KernelScope {
    /// The mesh's name.
    package var mesh: String
    /// What a document wants; derived MTUs and the differences of a tunnel server are told against it.
    package var desired: DesiredNode
    /// The mesh's networks, of all documents at hand.
    package var networks: [IPPrefix]
    /// Endpoint names that were resolved, as `host:port`.
    package var resolved: [String: SocketEndpoint]

    /// Gathers the parts.
    package init(
        mesh: String, desired: DesiredNode, networks: [IPPrefix],
        resolved: [String: SocketEndpoint]
    ) {
        self.mesh = mesh
        self.desired = desired
        self.networks = networks
        self.resolved = resolved
    }
}

/// How far a list of steps got.
package struct ApplyOutcome: Sendable, Equatable {
    /// How many steps were done, from the first.
    package var done: Int
    /// What the next one failed with, or nil where all were done.
    package var failure: NodeError?

    /// Pairs the two.
    package init(done: Int, failure: NodeError? = nil) {
        self.done = done
        self.failure = failure
    }
}

/// The kernel as the agent needs it; a test puts a model here.
package protocol NodeKernel: AnyObject {
    /// What the kernel says now.
    func observe(_ scope: KernelScope) throws(NodeError) -> ObservedNode
    /// Carries out steps in order, up to the first that fails.
    func apply(_ steps: [PlanStep]) -> ApplyOutcome
    /// Sends something small to each address, without waiting; by `interface`, or by where routes lead.
    func nudge(_ addresses: [IPAddress], by interface: String?)
    /// Something has changed outside: what was remembered of the underlay counts no more.
    func forgetUnderlay()
    /// Processes that hold an interface of the mesh, a line each.
    func holders(mesh: String) -> [String]
    /// The node's tunnels.
    var tunnels: any NodeTunnels { get }
}
