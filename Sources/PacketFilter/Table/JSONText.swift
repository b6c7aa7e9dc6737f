import FoundationEssentials
package import MeshModel

/// Between values and the text that libnftables takes and gives.
package enum JSONText {
    /// Commands for libnftables, each on a line of its own.
    static func commands(_ commands: [JSONValue]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let lines = commands.map { command in
            // There is nothing in it that could not be encoded.
            (try? encoder.encode(command)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
        }
        return "{\"nftables\":[\n" + lines.joined(separator: ",\n") + "\n]}\n"
    }

    /// The objects of an answer; nil where it is none.
    static func objects(in answer: String) -> [JSONValue]? {
        let value = try? JSONDecoder().decode(JSONValue.self, from: Data(answer.utf8))
        return value?["nftables"]?.elements
    }

    /// What ``GuardKeeper/set(_:)`` writes.
    package static func transaction(
        _ wanted: DesiredGuard, mesh: String, drops: [GuardDrop] = []
    ) -> String {
        commands(GuardTable(wanted, mesh: mesh).transaction(drops: drops))
    }

    /// What ``GuardKeeper/observe(_:)`` makes of a listing; nil where it cannot be read.
    package static func differences(
        in listing: String, from wanted: DesiredGuard, mesh: String
    ) -> [String]? {
        objects(in: listing).map {
            GuardListing($0, table: Ownership.guardTable(mesh: mesh))
                .differences(from: GuardTable(wanted, mesh: mesh).listing)
        }
    }
}
