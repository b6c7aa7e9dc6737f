import MeshModel
import TestSupport
import Testing
import TopologyFile

@Suite("An edit of any file that is a topology is right, or is refused")
struct EditFuzzTests {
    @Test("files that were changed at random are edited or refused, and what is edited comes back")
    func mutated() {
        var random = SplitMix(0x7065_6572)
        let seeds = EditFixture.all.map { Array($0.text.utf8) }
        let pieces = [
            " ", "  ", "\n", "\r\n", "\t", ",", ":", ": ", "- ", "{", "}", "[", "]", "#", " # x",
            "&a ", "*a",
            "\"", "'", "|", "> ", "~", "? ", "ü", "---\n", "\n\n", "web",
        ].map { Array($0.utf8) }
        var edited = 0
        for _ in 0..<fuzzRounds(3_000) {
            var bytes = random.pick(seeds)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                if random.chance(3) {
                    bytes.remove(at: place)
                } else {
                    bytes.insert(contentsOf: random.pick(pieces), at: place)
                }
            }
            guard let before = TopologyFile.parse(bytes, name: "t").topology else { continue }
            let service = before.services.first?.name ?? "webui"
            let path = before.paths.first?.name ?? "access"
            let adds: [TopologyEdit] = [
                .addNode(EditTests.tablet),
                .addEdge(Edge(from: "tablet", to: service, via: .wireguard), path: path),
            ]
            guard let added = try? TopologyFile.edit(bytes, name: "t", adds) else { continue }
            let removes: [TopologyEdit] = [
                .removeEdge(from: "tablet", to: service, path: path), .removeNode("tablet"),
            ]
            guard let removed = try? TopologyFile.edit(added.bytes, name: "t", removes) else {
                continue
            }
            edited += 1
            #expect(removed.topology == before)
            // Only a word for nothing, like ~, may have been written over.
            if !bytes.contains(UInt8(ascii: "~")) {
                #expect(
                    removed.bytes == bytes,
                    "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
            }
        }
        #expect(edited > 50, "hardly anything was tried: \(edited)")
    }
}
