import MeshModel
import TopologyFile

/// How long it takes from the text of a full mesh to every node's document and the steps to build it.
enum ResolveBench {
    /// `resolve NODES [--runs N] [--json]`: the median of the runs, each phase and all together.
    static func run(_ arguments: [String]) -> Int32 {
        guard let count = arguments.first.flatMap({ Int($0) }), (2...5000).contains(count) else {
            return BenchOutput.usage()
        }
        let runs = option("--runs", arguments) ?? 5
        let text = Array(topology(count).utf8)
        var samples: [Sample] = []
        for _ in 0..<max(1, runs) {
            guard let sample = measure(text) else { return 1 }
            samples.append(sample)
        }
        samples.sort { $0.total < $1.total }
        let median = samples[samples.count / 2]
        BenchOutput.figures(
            [
                ("resolve.nodes", Double(count), "nodes"),
                ("resolve.peers", Double(median.peers), "peers"),
                ("resolve.steps", Double(median.steps), "steps"),
                ("resolve.parse_ms", median.parse, "ms"),
                ("resolve.allocate_ms", median.allocate, "ms"),
                ("resolve.documents_ms", median.resolve, "ms"),
                ("resolve.plan_ms", median.plan, "ms"),
                ("resolve.total_min_ms", samples[0].total, "ms"),
                ("resolve.total_max_ms", samples[samples.count - 1].total, "ms"),
                ("resolve.\(count)_ms", median.total, "ms"),
            ], json: arguments.contains("--json"))
        return 0
    }

    /// `topology NODES`: the full mesh that `resolve` measures, as YAML.
    static func printTopology(_ arguments: [String]) -> Int32 {
        guard let count = arguments.first.flatMap({ Int($0) }), (2...5000).contains(count) else {
            return BenchOutput.usage()
        }
        print(topology(count), terminator: "")
        return 0
    }

    private struct Sample {
        var parse = 0.0
        var allocate = 0.0
        var resolve = 0.0
        var plan = 0.0
        var peers = 0
        var steps = 0
        var total: Double { parse + allocate + resolve + plan }
    }

    private static func measure(_ text: [UInt8]) -> Sample? {
        var sample = Sample()
        let parsed = BenchOutput.timed { TopologyFile.parse(text, name: "bench.yaml") }
        sample.parse = parsed.milliseconds
        guard let topology = parsed.result.topology else {
            for diagnostic in parsed.result.diagnostics { print(diagnostic) }
            return nil
        }
        let allocated = BenchOutput.timed { try? OverlayAllocation.allocate(topology) }
        sample.allocate = allocated.milliseconds
        guard let allocation = allocated.result else { return nil }
        let inputs = ResolverInputs(
            meshID: String(repeating: "0", count: 32), issuedAt: 0,
            addresses: allocation.addresses, keys: keys(topology))
        let resolved = BenchOutput.timed { Resolver.resolve(topology, inputs: inputs) }
        sample.resolve = resolved.milliseconds
        sample.peers = resolved.result.reduce(0) { $0 + ($1.interfaces.first?.peers.count ?? 0) }
        let planned = BenchOutput.timed {
            resolved.result.reduce(0) {
                $0 + Differ.plan($1, observed: .bare, now: 0).count
            }
        }
        sample.plan = planned.milliseconds
        sample.steps = planned.result
        return sample
    }

    /// Any 32 distinct bytes do: nothing here computes with them.
    private static func keys(_ topology: Topology) -> [String: PublicKey] {
        var keys: [String: PublicKey] = [:]
        for (number, node) in topology.nodes.enumerated() {
            let bytes = (0..<32).map { UInt8(truncatingIfNeeded: (number + 1) >> ($0 % 4 * 8)) }
            keys[node.name] = PublicKey(bytes: bytes)
        }
        return keys
    }

    private static func topology(_ count: Int) -> String {
        var text = """
            mesh:
              name: bench
              network: [10.77.0.0/16, fd77:6d70::/64]
              peering: full
            nodes:

            """
        for number in 1...count {
            let host = "198.\(18 + number / 65536).\(number / 256 % 256).\(number % 256)"
            text += "  node-\(number): { connect: ssh://root@\(host), endpoint: \(host) }\n"
        }
        return text
    }

    private static func option(_ name: String, _ arguments: [String]) -> Int? {
        guard let at = arguments.firstIndex(of: name), at + 1 < arguments.count else { return nil }
        return Int(arguments[at + 1])
    }
}
