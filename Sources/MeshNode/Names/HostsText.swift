package import MeshModel

/// The mesh's block within the text of /etc/hosts; all around it is somebody else's and stays byte for byte. Pure.
///
/// *Source:* hosts(5).
package struct HostsText {
    private let mesh: String
    private let begin: String
    private let end: String

    package init(mesh: String) {
        self.mesh = mesh
        begin = "# BEGIN meshproof \(mesh): made by the mesh's agent, removed by `meshproof down`"
        end = "# END meshproof \(mesh)"
    }

    /// The lines of the block as they are to be, with its first and last.
    package func block(_ wanted: DesiredNames) -> [String] {
        [begin] + wanted.entries.map { "\($0.address)\t" + $0.names.joined(separator: " ") } + [end]
    }

    /// The lines of the block that is there, or nil where there is none.
    package func found(in text: [UInt8]) -> [String]? {
        place(in: text).map { range in
            Self.lines(text[range]).map { String(decoding: $0, as: UTF8.self).trimmingReturn }
        }
    }

    /// The text with this block, in the place of the old one, else at the end.
    package func setting(_ wanted: DesiredNames, in text: [UInt8]) -> [UInt8] {
        let block = Array((block(wanted).joined(separator: "\n") + "\n").utf8)
        guard let range = place(in: text) else {
            let gap: [UInt8] = text.isEmpty || text.last == 10 ? [] : [10]
            return text + gap + block
        }
        return text[..<range.lowerBound] + block + text[range.upperBound...]
    }

    /// The text without any block of the mesh's.
    package func removing(from text: [UInt8]) -> [UInt8] {
        var text = text
        while let range = place(in: text) { text.removeSubrange(range) }
        return text
    }

    /// The bytes of the block. Where its last line is missing, it ends before the first line that is not of the mesh.
    private func place(in text: [UInt8]) -> Range<Int>? {
        let opening = Array("# BEGIN meshproof \(mesh):".utf8)
        let closing = Array(end.utf8)
        var start: Int?
        for line in Self.lines(text[...]) {
            if line.starts(with: opening) {
                start = start ?? line.startIndex
                continue
            }
            guard let first = start else { continue }
            if line.starts(with: closing),
                line.dropFirst(closing.count).allSatisfy({ $0 == 10 || $0 == 13 })
            {
                return first..<line.endIndex
            }
            if !isOurs(line) { return first..<line.startIndex }
        }
        return start.map { $0..<text.count }
    }

    /// Whether a line is an address with names of the mesh and no others.
    private func isOurs(_ line: ArraySlice<UInt8>) -> Bool {
        let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count >= 2, IPAddress(String(words[0])) != nil else { return false }
        return words.dropFirst().allSatisfy { $0.hasSuffix(".\(mesh)") }
    }

    /// The lines, each with its ending.
    private static func lines(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = text.startIndex
        while start < text.endIndex {
            let end = text[start...].firstIndex(of: 10).map { $0 + 1 } ?? text.endIndex
            lines.append(text[start..<end])
            start = end
        }
        return lines
    }
}

extension String {
    fileprivate var trimmingReturn: String {
        var text = self
        while let last = text.unicodeScalars.last, last == "\n" || last == "\r" {
            text.unicodeScalars.removeLast()
        }
        return text
    }
}
