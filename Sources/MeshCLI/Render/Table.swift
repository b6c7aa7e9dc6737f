/// Columns of text, as wide as they need to be.
package struct Table {
    private var rows: [[String]] = []
    private let header: [String]
    private let style: Style

    package init(_ header: [String], _ style: Style) {
        self.header = header
        self.style = style
    }

    package mutating func add(_ row: [String]) { rows.append(row) }

    /// The lines. The last column takes what is left of `width`, and goes on below itself where that is not enough.
    package func lines(width: Int, indent: Int = 2) -> [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in
            all.map { TextWrap.visible($0[column]) }.max() ?? 0
        }
        let left = indent + widths.dropLast().reduce(0) { $0 + $1 + 2 }
        let margin = String(repeating: " ", count: indent)
        let hanging = String(repeating: " ", count: left)
        return all.enumerated().flatMap { number, row -> [String] in
            let before = zip(row, widths).dropLast().map { $0.padding(to: $1) + "  " }.joined()
            let last = TextWrap.lines(row.last ?? "", width: max(width - left, 20))
            return last.enumerated().map { index, text in
                let line = index == 0 ? margin + before + text : hanging + text
                return number == 0 ? style.dim(line) : line
            }
        }
    }
}
