import MeshModel

extension ProbeFact {
    /// Puts a probe's connections together.
    ///
    /// Where the service is to be reached, one connection that was not answered counts; where it is not to be
    /// reached, one that was.
    init(_ order: ProbeOrder, vantage: String, _ put: [PutProbe]) {
        let isWanted = order.purpose == .edge
        let decisive =
            put.first { ($0.end.outcome == .answered) != isWanted } ?? put.first
        guard let decisive else {
            self.init(
                order: order, vantage: vantage, began: FactTime(wall: 0, monotonic: 0),
                ended: FactTime(wall: 0, monotonic: 0), outcome: .failed,
                message: "no connection was made")
            return
        }
        let alike = put.count { $0.end.outcome == decisive.end.outcome }
        self.init(
            order: order, vantage: vantage,
            began: put.map(\.began).min { $0.monotonic < $1.monotonic } ?? decisive.began,
            ended: put.map(\.ended).max { $0.monotonic < $1.monotonic } ?? decisive.ended,
            outcome: decisive.end.outcome,
            message: alike == put.count
                ? decisive.end.message
                : "\(decisive.end.message) (so \(alike) of \(put.count) connections)",
            localEnds: put.compactMap(\.localEnd), sent: put.reduce(0) { $0 + $1.sent },
            received: put.reduce(0) { $0 + $1.received },
            tls: decisive.tls ?? put.lazy.compactMap(\.tls).first)
    }

    /// A probe that could not be put.
    init(_ order: ProbeOrder, vantage: String, failed message: String, at now: FactTime) {
        self.init(
            order: order, vantage: vantage, began: now, ended: now, outcome: .failed,
            message: message)
    }
}
