import LinuxSystem
import MeshModel

/// The mesh's tunnels, as `tunnel` shows them.
public struct TunnelReport: Codable, Sendable {
    /// The mesh's name.
    public var mesh: String
    /// When it was asked. *Units:* seconds since 1970.
    public var at: Double
    /// Every edge that goes by SSH, or those that were asked for.
    public var tunnels: [TunnelStatus]
}

/// Looks at the tunnels, and makes one anew.
public struct TunnelRun: Sendable {
    /// How long a restarted tunnel is waited for. *Units:* seconds.
    private static let patience: Double = 15

    private let status: StatusRun

    /// Asks by way of a status run.
    public init(_ status: StatusRun) {
        self.status = status
    }

    /// Every tunnel.
    public func list() throws(ControllerError) -> TunnelReport {
        let report = try status.look()
        return TunnelReport(mesh: report.mesh, at: report.at, tunnels: report.tunnels)
    }

    /// Drops the session of one tunnel, and waits until a new one stands or says why not.
    public func restart(_ edge: String) throws(ControllerError) -> TunnelReport {
        var report = try list()
        guard let tunnel = report.tunnels.first(where: { $0.edge == edge }) else {
            let near = NearestName.find(edge, among: report.tunnels.map(\.edge))
            throw ControllerError(
                .usage, "no edge \(edge) goes by SSH in this topology",
                hint: near.map { "did you mean '\($0)'?" } ?? "meshproof tunnel ls")
        }
        try status.withConnection(to: tunnel.from) { connection throws(ControllerError) in
            try connection.restartTunnel(edge)
        }
        let deadline = Clocks.monotonic() + Self.patience
        while true {
            Clocks.sleep(0.2)
            report = try list()
            report.tunnels.removeAll { $0.edge != edge }
            let isSettled = report.tunnels.allSatisfy { $0.state != .connecting }
            if isSettled || Clocks.monotonic() >= deadline { return report }
        }
    }
}
