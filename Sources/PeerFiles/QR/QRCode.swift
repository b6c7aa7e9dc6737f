/// A QR code: a square of dark and light modules.
public struct QRCode: Sendable, Equatable {
    /// Row by row from the top; true is dark. Without the quiet zone.
    public let modules: [[Bool]]

    /// Light modules on every side, without which readers do not find a code. *Source:* ISO/IEC 18004, 5.3.8.
    public static let quietZone = 4

    /// The code of a text. *Throws:* ``PeerFileError`` `libraryMissing`, `tooLong`.
    public init(_ text: String) throws(PeerFileError) {
        modules = try QRLibrary().modules(of: text)
    }

    /// Modules a side, quiet zone included.
    var side: Int { modules.count + 2 * Self.quietZone }

    /// Whether a module is dark; the quiet zone and all around it are light.
    func isDark(_ row: Int, _ column: Int) -> Bool {
        let (row, column) = (row - Self.quietZone, column - Self.quietZone)
        guard modules.indices.contains(row), modules.indices.contains(column) else { return false }
        return modules[row][column]
    }

    /// The code in half blocks, two rows a line.
    ///
    /// With colours it is black on white whatever the terminal's own are (the 256-colour palette's 16 and 231, which
    /// themes leave alone). Without, what is light is drawn and what is dark is left out: right on a dark terminal.
    public func terminalLines(inColor: Bool) -> [String] {
        stride(from: 0, to: side, by: 2).map { row in
            let cells = (0..<side).map { column -> Character in
                let top = isDark(row, column) == inColor
                let bottom = isDark(row + 1, column) == inColor
                switch (top, bottom) {
                case (true, true): return "█"
                case (true, false): return "▀"
                case (false, true): return "▄"
                case (false, false): return " "
                }
            }
            return inColor
                ? "\u{1b}[38;5;16;48;5;231m" + String(cells) + "\u{1b}[0m" : String(cells)
        }
    }
}
