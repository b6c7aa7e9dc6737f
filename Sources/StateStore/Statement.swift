import CSQLite
import Glibc

/// A prepared statement with one owner; finalized when it goes.
struct Statement: ~Copyable {
    /// A value for one `?`.
    enum Value {
        case text(String)
        case blob([UInt8])
        case integer(Int64)
    }

    private let handle: OpaquePointer
    private let path: String

    init(handle: OpaquePointer, path: String) {
        self.handle = handle
        self.path = path
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Runs it to its end. *Shape:* `values` in the order of the statement's `?`.
    borrowing func run(_ operation: String, _ values: Value...) throws(StoreError) {
        try bind(values, operation)
        defer { rest() }
        while try step(operation) {}
    }

    /// Runs it and shows each row to `body`.
    borrowing func rows(
        _ operation: String, _ values: Value..., body: (borrowing Row) throws(StoreError) -> Void
    ) throws(StoreError) {
        try bind(values, operation)
        defer { rest() }
        while try step(operation) { try body(Row(handle: handle)) }
    }

    /// A row, to be read before the next step.
    struct Row: ~Copyable {
        fileprivate let handle: OpaquePointer

        func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

        func text(_ column: Int32) -> String { String(decoding: blob(column), as: UTF8.self) }

        func blob(_ column: Int32) -> [UInt8] {
            // The pointer first: asking for it may convert the value and so change its length.
            guard let start = sqlite3_column_blob(handle, column) else { return [] }
            let count = Int(sqlite3_column_bytes(handle, column))
            return Array(UnsafeRawBufferPointer(start: start, count: count))
        }
    }

    private borrowing func step(_ operation: String) throws(StoreError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw failure(code, operation)
        }
    }

    private borrowing func bind(_ values: [Value], _ operation: String) throws(StoreError) {
        for (index, value) in values.enumerated() {
            let place = Int32(index + 1)
            let code: Int32
            switch value {
            case .integer(let number): code = sqlite3_bind_int64(handle, place, number)
            case .text(let text):
                let (copy, count) = Statement.copy(Array(text.utf8))
                code = sqlite3_bind_text64(
                    handle, place, copy?.assumingMemoryBound(to: CChar.self), count, free,
                    UInt8(SQLITE_UTF8))
            case .blob(let bytes):
                let (copy, count) = Statement.copy(bytes)
                code = sqlite3_bind_blob64(handle, place, copy, count, free)
            }
            if code != SQLITE_OK {
                rest()
                throw failure(code, operation)
            }
        }
    }

    /// A copy that SQLite frees. Never nil for no bytes, which SQLite would take for NULL.
    private static func copy(_ bytes: [UInt8]) -> (UnsafeMutableRawPointer?, UInt64) {
        let copy = malloc(max(bytes.count, 1))
        bytes.withUnsafeBytes { source in
            if let copy, let start = source.baseAddress { memcpy(copy, start, source.count) }
        }
        return (copy, UInt64(bytes.count))
    }

    /// Gives back the read snapshot and the bound copies.
    private borrowing func rest() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    private borrowing func failure(_ code: Int32, _ operation: String) -> StoreError {
        let text = sqlite3_errmsg(sqlite3_db_handle(handle)).map { String(cString: $0) }
        return StoreError(sqlite: code, operation, path: path, text: text ?? "no further text")
    }
}
