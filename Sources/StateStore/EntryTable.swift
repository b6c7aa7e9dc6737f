/// The table of keyed values, with its statements prepared once.
struct EntryTable: ~Copyable {
    // Declared before the database, so that they are finalized before it closes.
    private let select: Statement
    private let selectRange: Statement
    private let put: Statement
    private let insert: Statement
    private let replace: Statement
    private let delete: Statement
    private let deleteVersion: Statement
    private let latest: Statement
    private let advance: Statement
    private let database: Database

    /// The table of an opened database, which it then owns.
    static func over(_ database: consuming Database) throws(StoreError) -> EntryTable {
        EntryTable(
            select: try database.prepare("SELECT value, version FROM entry WHERE key = ?"),
            selectRange: try database.prepare(
                "SELECT key, value, version FROM entry WHERE key >= ? AND key < ? ORDER BY key"),
            put: try database.prepare(
                """
                INSERT INTO entry VALUES (?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version
                """),
            insert: try database.prepare(
                "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
            replace: try database.prepare(
                "UPDATE entry SET value = ?, version = ? WHERE key = ? AND version = ?"),
            delete: try database.prepare("DELETE FROM entry WHERE key = ?"),
            deleteVersion: try database.prepare("DELETE FROM entry WHERE key = ? AND version = ?"),
            latest: try database.prepare("SELECT latest FROM revision"),
            advance: try database.prepare("UPDATE revision SET latest = ?"),
            database: database)
    }

    borrowing func get(_ key: String) throws(StoreError) -> VersionedValue? {
        var found: VersionedValue?
        try select.rows("read", .text(key)) { row in
            found = VersionedValue(value: row.blob(0), version: UInt64(bitPattern: row.integer(1)))
        }
        return found
    }

    borrowing func list(_ prefix: String) throws(StoreError) -> [VersionedEntry] {
        // Keys end at "~" (0x7e), so the first text after all that begin with the prefix is the prefix and DEL.
        var found: [VersionedEntry] = []
        try selectRange.rows("list", .text(prefix), .text(prefix + "\u{7f}")) { row in
            found.append(
                VersionedEntry(
                    key: row.text(0), value: row.blob(1),
                    version: UInt64(bitPattern: row.integer(2))))
        }
        return found
    }

    borrowing func commit(_ changes: [StoreChange]) throws(StoreError) -> UInt64 {
        try database.transaction("commit") { () throws(StoreError) -> UInt64 in
            var version: Int64 = 0
            try latest.rows("commit") { row in version = row.integer(0) }
            version += 1
            for change in changes {
                guard try make(change, version) else { throw KeyRules.conflict(change.key) }
            }
            try advance.run("commit", .integer(version))
            return UInt64(bitPattern: version)
        }
    }

    borrowing func scrub() throws(StoreError) {
        _ = try database.integer("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    borrowing func damage() throws(StoreError) -> [String] {
        try database.texts("PRAGMA integrity_check(20)").filter { $0 != "ok" }
    }

    /// False where the expectation does not hold. Keys of a commit differ, so one change never meets another's result.
    private borrowing func make(_ change: StoreChange, _ version: Int64) throws(StoreError) -> Bool
    {
        let key = Statement.Value.text(change.key)
        switch (change.action, change.expecting) {
        case (.put(let value), .anything):
            try put.run("commit", key, .blob(value), .integer(version))
            return true
        case (.put(let value), .absent):
            try insert.run("commit", key, .blob(value), .integer(version))
            return database.changes == 1
        case (.put(let value), .version(let old)):
            try replace.run(
                "commit", .blob(value), .integer(version), key, .integer(Int64(bitPattern: old)))
            return database.changes == 1
        case (.delete, .anything):
            try delete.run("commit", key)
            return true
        case (.delete, .version(let old)):
            try deleteVersion.run("commit", key, .integer(Int64(bitPattern: old)))
            return database.changes == 1
        case (.delete, .absent), (.check, .absent): return try get(change.key) == nil
        case (.check, .version(let old)): return try get(change.key)?.version == old
        case (.check, .anything): return true
        }
    }
}
