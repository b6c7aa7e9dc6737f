import CSQLite

/// One SQLite connection with one owner.
struct Database: ~Copyable {
    let path: String
    private let handle: OpaquePointer

    /// Opens an existing file. *Source:* `sqlite3_open_v2`.
    init(path: String) throws(StoreError) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW
        let code = sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let opened else {
            let text = String(cString: opened.map { sqlite3_errmsg($0) } ?? sqlite3_errstr(code))
            sqlite3_close_v2(opened)
            throw StoreError(sqlite: code, "open", path: path, text: text)
        }
        handle = opened
        self.path = path
        sqlite3_busy_timeout(handle, 5000)
    }

    deinit {
        sqlite3_close_v2(handle)
    }

    /// Runs statements that take nothing and answer nothing.
    borrowing func execute(_ sql: String, _ operation: String) throws(StoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw failure(code, operation) }
    }

    /// Prepares one statement, to be run many times.
    borrowing func prepare(_ sql: String) throws(StoreError) -> Statement {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(
            handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code, "prepare") }
        return Statement(handle: statement, path: path)
    }

    /// The first column of the first row, as a number.
    borrowing func integer(_ sql: String) throws(StoreError) -> Int64 {
        let statement = try prepare(sql)
        var found: Int64 = 0
        try statement.rows("read") { row in found = row.integer(0) }
        return found
    }

    /// The first column of every row, as text.
    borrowing func texts(_ sql: String) throws(StoreError) -> [String] {
        let statement = try prepare(sql)
        var found: [String] = []
        try statement.rows("read") { row in found.append(row.text(0)) }
        return found
    }

    /// How many rows the last statement changed.
    var changes: Int32 { sqlite3_changes(handle) }

    /// Runs `body` in one transaction that is undone where it throws.
    borrowing func transaction<Result>(
        _ operation: String, _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try execute("BEGIN IMMEDIATE", operation)
        do throws(StoreError) {
            let result = try body()
            try execute("COMMIT", operation)
            return result
        } catch {
            // A full disk or a failing one has often rolled back by itself.
            if sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK", operation) }
            throw error
        }
    }

    private borrowing func failure(_ code: Int32, _ operation: String) -> StoreError {
        StoreError(
            sqlite: code, operation, path: path, text: String(cString: sqlite3_errmsg(handle)))
    }
}
