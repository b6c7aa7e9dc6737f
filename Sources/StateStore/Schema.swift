/// The tables, and how an older state becomes the present one.
enum Schema {
    /// Marks the file as ours ("mpst" in ASCII) for `file(1)` and for us.
    static let applicationID: Int64 = 0x6d70_7374

    /// `migrations[n]` takes a state from version n to n + 1; never edit one that was released.
    static let migrations = [
        // Keys are ASCII, so SQLite's binary collation orders them as KeyValueStore promises.
        """
        CREATE TABLE entry (
            key TEXT PRIMARY KEY NOT NULL,
            value BLOB NOT NULL,
            version INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE revision (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            latest INTEGER NOT NULL
        ) STRICT;
        INSERT INTO revision VALUES (1, 0);
        """
    ]

    static var current: Int64 { Int64(migrations.count) }

    /// The version of an opened database, which must be ours or empty.
    static func version(of database: borrowing Database) throws(StoreError) -> Int64 {
        let version = try database.integer("PRAGMA user_version")
        let owner = try database.integer("PRAGMA application_id")
        let tables = try database.integer("SELECT count(*) FROM sqlite_schema")
        let isEmpty = version == 0 && owner == 0 && tables == 0
        if owner != applicationID && !isEmpty {
            throw StoreError(
                .foreign, "open", database.path, "is a database of another program",
                hint: "move it away or name another folder")
        }
        if version > current {
            throw StoreError(
                .newerSchema, "open", database.path,
                "has version \(version); this meshproof knows versions up to \(current)",
                hint: "use the newer meshproof that was here before")
        }
        return version
    }

    /// Takes the steps that are missing, each in a transaction of its own.
    static func migrate(_ database: borrowing Database, from version: Int64) throws(StoreError) {
        for next in Int(version)..<migrations.count {
            let path = database.path
            do throws(StoreError) {
                try database.execute(
                    """
                    BEGIN IMMEDIATE;
                    \(migrations[next])
                    PRAGMA application_id = \(applicationID);
                    PRAGMA user_version = \(next + 1);
                    COMMIT;
                    """, "migrate to version \(next + 1)")
            } catch {
                try? database.execute("ROLLBACK", "migrate")
                if error.code != .database { throw error }
                throw StoreError(
                    .corrupt, error.operation, path, error.message, sqlite: error.sqlite,
                    hint: "restore it from a backup; nothing of this step was kept")
            }
        }
    }
}
