/// Columns of text, as wide as they need to be.
struct Table {
    private var rows: [[String]] = []
    private let header: [String]
    private let style: Style

    init(_ header: [String], _ style: Style) {
        self.header = header
        self.style = style
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The lines. The last column takes what is left of `width`, and is cut there.
    func lines(width: Int, indent: Int = 2) -> [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { Table.visible($0[column]) }.max() ?? 0
        }
        return all.enumerated().map { number, row in
            var line = String(repeating: " ", count: indent)
            for (column, cell) in row.enumerated() {
                if column == row.count - 1 {
                    line += cell
                } else {
                    line +=
                        cell
                        + String(repeating: " ", count: widths[column] - Table.visible(cell) + 2)
                }
            }
            return number == 0 ? style.dim(line) : line
        }
    }

    /// Columns that a cell takes, colours not counted.
    private static func visible(_ cell: String) -> Int {
        var count = 0
        var inEscape = false
        for character in cell {
            if character == "\u{1b}" {
                inEscape = true
            } else if inEscape {
                if character == "m" { inEscape = false }
            } else {
                count += 1
            }
        }
        return count
    }
}
