import MeshModel
import NodeProtocol

/// Whether the names that a document wants are the mesh's own, and nothing that could pass for a line of its own.
struct NamesCheck {
    private let document: NodeDocument
    /// More than any mesh has.
    private static let limit = 100_000

    init(_ document: NodeDocument) { self.document = document }

    func run() throws(ProtocolError) {
        guard let names = document.names else { return }
        guard names.entries.count <= Self.limit else { throw invalid("there are too many") }
        let networks = document.interfaces.flatMap(\.networks)
        let suffix = ".\(document.mesh)"
        for entry in names.entries {
            guard networks.contains(where: { $0.contains(entry.address) }) else {
                throw invalid("\(entry.address) is not of the overlay")
            }
            guard !entry.names.isEmpty, entry.names.count <= 1000 else {
                throw invalid("\(entry.address) has \(entry.names.count) names")
            }
            for name in entry.names {
                guard name.hasSuffix(suffix), Self.isLabel(name.dropLast(suffix.count)) else {
                    throw invalid("one is not of the mesh")
                }
            }
        }
    }

    private static func isLabel(_ text: Substring) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    private func invalid(_ message: String) -> ProtocolError {
        ProtocolError(.invalidDocument, "the names: \(message)")
    }
}
