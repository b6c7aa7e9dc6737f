import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol

/// The sockets of every network namespace of this host: what listens in a container is a way in too.
struct HostSockets {
    /// The program to start in other namespaces; nil for our own.
    let program: String?
    /// How long one namespace may take. *Units:* seconds.
    static let deadline = 3.0
    /// How long all of them may take. *Units:* seconds.
    private static let patience = 6.0
    /// How many are read at a time.
    private static let width = 8

    /// Our own namespace first; nil with a failure where that cannot be read.
    func read() -> (sockets: [NamespaceSockets]?, failures: [FactFailure]) {
        let survey = ProcessSurvey()
        let own: NamespaceReading
        do throws(NodeError) { own = try NamespaceReading.take() } catch {
            return (nil, [FactFailure("sockets", error)])
        }
        let others = survey.namespaces.values.filter { $0.inode != own.namespace }
            .sorted { $0.inode < $1.inode }
        var found = [own.facts(isOwn: true, survey)]
        var failures: [FactFailure] = []
        do throws(NodeError) {
            for outcome in try readOthers(others) {
                switch outcome {
                case .success(let reading): found.append(reading.facts(isOwn: false, survey))
                case .failure(let failure): failures.append(failure.fact)
                case nil: break
                }
            }
        } catch {
            failures.append(FactFailure("sockets", error))
        }
        return (found, failures)
    }

    private struct Failure: Error {
        let fact: FactFailure
    }

    private func readOthers(
        _ namespaces: [ProcessSurvey.Namespace]
    ) throws(NodeError) -> [Result<NamespaceReading, Failure>?] {
        if namespaces.isEmpty { return [] }
        let program: String
        if let known = self.program {
            program = known
        } else {
            program = try NodeCommands.programPath()
        }
        let end = Clocks.monotonic() + Self.patience
        do throws(SystemError) {
            return try fanOut(namespaces, limit: Self.width, name: "namespaces") {
                Self.read($0, program, until: end)
            }
        } catch {
            throw NodeError("read network namespaces", error)
        }
    }

    /// The sockets of one namespace; nil where it went away meanwhile, and its sockets with it.
    private static func read(
        _ namespace: ProcessSurvey.Namespace, _ program: String, until end: Double
    ) -> Result<NamespaceReading, Failure>? {
        let patience = max(0.1, min(deadline, end - Clocks.monotonic()))
        let reason: String
        do throws(SystemError) {
            let result = try Child.run(
                [program, "node", "facts", "--netns", namespace.path], timeout: patience)
            if result.status.isSuccess,
                let reading = try? Wire.decode(NamespaceReading.self, from: result.output),
                reading.namespace == namespace.inode
            {
                return .success(reading)
            }
            reason =
                result.errorText.isEmpty ? "the helper ended: \(result.status)" : result.errorText
        } catch {
            reason = error.errno == ETIMEDOUT ? "the helper did not answer" : error.description
        }
        if FileID(namespace.path)?.inode != namespace.inode { return nil }
        let name = namespace.inhabitant.map { " of \($0.text)" } ?? ""
        return .failure(
            Failure(
                fact: FactFailure(
                    section: "sockets",
                    message: "network namespace \(namespace.inode)\(name) was not read: \(reason)",
                    fix: "look with `nsenter --net=\(namespace.path) ss -tulpn`, and verify again"
                )))
    }
}
