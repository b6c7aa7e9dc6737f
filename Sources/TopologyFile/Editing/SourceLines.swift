/// The file's bytes seen as lines. A line ends at `\n`; a `\r` before it belongs to the ending.
struct SourceLines {
    let bytes: [UInt8]

    /// One change of the bytes; an empty range inserts.
    struct Change: Equatable {
        var range: Range<Int>
        var text: [UInt8]

        init(_ range: Range<Int>, _ text: String = "") {
            self.range = range
            self.text = Array(text.utf8)
        }

        static func insert(_ text: String, at place: Int) -> Change { Change(place..<place, text) }
    }

    /// The bytes with all changes made; they do not overlap.
    func applying(_ changes: [Change]) -> [UInt8] {
        var result: [UInt8] = []
        var place = 0
        for change in changes.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            result += bytes[place..<max(place, change.range.lowerBound)]
            result += change.text
            place = max(place, change.range.upperBound)
        }
        return result + bytes[place...]
    }

    /// The start of the line that `place` is in.
    func start(of place: Int) -> Int {
        (bytes[..<place].lastIndex(of: newline) ?? -1) + 1
    }

    /// The end of the line that `place` is in, its ending included.
    func end(of place: Int) -> Int {
        bytes[place...].firstIndex(of: newline).map { $0 + 1 } ?? bytes.count
    }

    /// The number of the line that `place` is in, from 1.
    func number(of place: Int) -> Int {
        bytes[..<place].count { $0 == newline } + 1
    }

    /// Whether the line that `place` is in has no ending.
    func isUnended(_ place: Int) -> Bool {
        end(of: place) == bytes.count && bytes.last != newline
    }

    /// The ending of the line that `place` is in; of the line before where it has none.
    func ending(of place: Int) -> String {
        let end = isUnended(place) ? start(of: place) : end(of: place)
        return end >= 2 && bytes[end - 2] == carriageReturn ? "\r\n" : "\n"
    }

    /// The spaces and tabs before `place` in its line; nil where anything else stands there.
    func indentation(before place: Int) -> String? {
        let prefix = bytes[start(of: place)..<place]
        return prefix.allSatisfy(isBlank) ? String(decoding: prefix, as: UTF8.self) : nil
    }

    /// Whether nothing but blanks and a comment follows `place` in its line.
    func isRestFree(after place: Int) -> Bool {
        let rest = bytes[place..<end(of: place)]
        guard let first = rest.first(where: { !isBlank($0) && !isEnding($0) }) else { return true }
        // A # only starts a comment after a blank.
        return first == hash && rest.first != hash
    }

    /// `place` moved back over blanks and line endings, not before `limit`.
    func trimmed(_ place: Int, notBefore limit: Int) -> Int {
        var place = place
        while place > limit, isBlank(bytes[place - 1]) || isEnding(bytes[place - 1]) { place -= 1 }
        return place
    }

    /// From the line that starts at `place`, past the comment lines that are indented by more than `columns`.
    func pastDeeperComments(_ place: Int, than columns: Int) -> Int {
        var place = place
        while place < bytes.count {
            let line = bytes[place..<end(of: place)]
            let indent = line.prefix(while: isBlank)
            guard indent.count > columns, line.dropFirst(indent.count).first == hash else { break }
            place = line.endIndex
        }
        return place
    }

    /// The next byte from `place` on that is neither blank, line ending nor in a comment.
    func significant(from place: Int) -> Int? {
        var place = place
        while place < bytes.count {
            let byte = bytes[place]
            if byte == hash {
                place = end(of: place)
            } else if isBlank(byte) || isEnding(byte) {
                place += 1
            } else {
                return place
            }
        }
        return nil
    }

    /// Whether a comment stands anywhere within these bytes, taking every # after a blank for one.
    func mayHoldComment(_ range: Range<Int>) -> Bool {
        range.contains { place in
            bytes[place] == hash
                && (place == 0 || isBlank(bytes[place - 1]) || isEnding(bytes[place - 1]))
        }
    }

    private let newline = UInt8(ascii: "\n")
    private let carriageReturn = UInt8(ascii: "\r")
    private let hash = UInt8(ascii: "#")

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }
    private func isEnding(_ byte: UInt8) -> Bool { byte == newline || byte == carriageReturn }
}
