import Glibc
import MeshModel
import Testing

@Suite("docs/verify.md")
struct VerifyDocumentTests {
    @Test("has a row for every finding code, and none that is not one")
    func codes() throws {
        let rows = try Self.text().split(separator: "\n").filter { $0.hasPrefix("| `") }
        let named = rows.compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
        for code in FindingCode.allCases {
            #expect(named.filter { $0 == code.rawValue }.count == 1, "\(code.rawValue)")
            #expect(!code.why.isEmpty)
        }
        let words =
            Verdict.allCases.map(\.rawValue) + EvidenceLevel.allCases.map(\.rawValue)
            + FindingCode.allCases.map(\.rawValue)
        let fields = [
            "format", "run", "mesh", "began", "passive", "topology", "nodes", "edges", "forbidden",
            "required", "receipt", "selection", "notes",
        ]
        #expect(Set(named) == Set(words + fields))
    }

    private static func text() throws -> String {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let file = try #require(fopen("/\(root)/docs/verify.md", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
