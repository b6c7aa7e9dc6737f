import LinuxSystem
import MeshModel

/// Does one phase of a run on many nodes at the same time, keeping each node's failure to itself.
struct Fleet: Sendable {
    let parallel: Int
    let progress: any Progress

    /// What a phase left: results by node name, in no order, and who failed of what.
    struct Outcome<Result: Sendable>: Sendable {
        var results: [String: Result] = [:]
        var failures: [String: ControllerError] = [:]

        /// Takes in what another phase, of other nodes, has left.
        mutating func add(_ other: Self) {
            results.merge(other.results) { $1 }
            failures.merge(other.failures) { $1 }
        }
    }

    /// Runs `body` for every member on at most `parallel` threads.
    ///
    /// - Parameter isVital: whether a failure is the node's; one that is not is left to the caller to tell.
    func phase<Member: Sendable, Result: Sendable>(
        _ label: String, _ members: [Member], name: @escaping @Sendable (Member) -> String,
        isVital: Bool = true,
        _ body: @escaping @Sendable (Member) throws(ControllerError) -> Result
    ) throws(ControllerError) -> Outcome<Result> {
        let progress = progress
        let results: [(String, Swift.Result<Result, ControllerError>)]
        do {
            results = try fanOut(members, limit: parallel, name: "mesh-node") { member in
                progress.working(name(member), label)
                do throws(ControllerError) {
                    return (name(member), .success(try body(member)))
                } catch {
                    if isVital {
                        progress.finished(name(member), error.description, good: false)
                    }
                    return (name(member), .failure(error))
                }
            }
        } catch { throw ControllerError(.state, "cannot start threads: \(error)") }
        var outcome = Outcome<Result>()
        for (name, result) in results {
            switch result {
            case .success(let value): outcome.results[name] = value
            case .failure(let error): outcome.failures[name] = error
            }
        }
        return outcome
    }
}
