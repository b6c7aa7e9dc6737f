/// A place in the file, for people. *Units:* lines and characters from 1.
struct Mark: Hashable, Comparable {
    var line: Int
    var column: Int

    static let start = Mark(line: 1, column: 1)

    static func < (left: Mark, right: Mark) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// A value and where it was written.
struct Marked<Value> {
    var value: Value
    var mark: Mark

    init(_ value: Value, _ mark: Mark) {
        self.value = value
        self.mark = mark
    }
}

extension Marked: Equatable where Value: Equatable {}
