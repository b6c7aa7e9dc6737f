import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol

/// The probes of one user, put by a child process.
struct UserProbes: Sendable {
    let user: UInt32
    /// Where the orders stand among all.
    let places: [Int]
    let orders: [ProbeOrder]
    let vantage: String
    let tlsFolder: String
    let program: String

    /// Starts the child and waits for what it prints; a fact an order, whatever comes.
    func run() -> [ProbeFact] {
        var facts: [Int: ProbeFact] = [:]
        // These say nothing of a user, and take what only root has.
        let mine = orders.indices.filter { !needsRoot(orders[$0].question) }
        do throws(UserProbesError) {
            for (index, fact) in zip(mine, try ask(mine.map { orders[$0] })) {
                facts[index] = fact
            }
        } catch {
            for index in mine {
                facts[index] = ProbeFact(
                    orders[index], vantage: vantage, failed: error.message, at: ProbeRunner.now())
            }
        }
        return orders.indices.map { index in
            facts[index]
                ?? ProbeFact(
                    orders[index], vantage: vantage,
                    failed: "this question is put by root: order it without a user",
                    at: ProbeRunner.now())
        }
    }

    private func needsRoot(_ question: ProbeOrder.Question) -> Bool {
        switch question {
        case .knock, .strangerSSH, .tunnelElsewhere: true
        default: false
        }
    }

    private func ask(_ orders: [ProbeOrder]) throws(UserProbesError) -> [ProbeFact] {
        if orders.isEmpty { return [] }
        guard geteuid() == 0 else {
            throw UserProbesError("only root can probe as user \(user)")
        }
        // What the child does beside waiting is starting and ending.
        let longest = orders.map { $0.timeout.isFinite ? min(max($0.timeout, 0), 600) : 10 }.max()
        let answer: CommandResult
        do {
            answer = try Child.run(
                [
                    program, "node", "probe", "--user", String(user), "--vantage", vantage,
                    "--tls-folder", tlsFolder,
                ], input: try Wire.encode(orders), timeout: (longest ?? 0) + 15)
        } catch {
            throw UserProbesError("cannot run the child for user \(user): \(error)")
        }
        guard answer.status.isSuccess,
            let facts = try? Wire.decode([ProbeFact].self, from: answer.output),
            facts.map(\.order) == orders
        else {
            let words = shown(answer.errors.prefix { $0 != 10 })
            throw UserProbesError("the child for user \(user) failed: \(words)")
        }
        return facts
    }
}

/// Why a user's probes could not be put.
private struct UserProbesError: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
