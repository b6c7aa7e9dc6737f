import CSQLite

/// What SQLite's result codes mean to an operator. *Source:* <https://www.sqlite.org/rescode.html>.
extension StoreError {
    /// The failure that an extended result code stands for.
    init(sqlite extended: Int32, _ operation: String, path: String, text: String) {
        let (code, hint) = StoreError.meaning(of: extended & 0xff, path: path)
        self.init(code, operation, path, text, sqlite: extended, hint: hint)
    }

    private static func meaning(of primary: Int32, path: String) -> (Code, String) {
        switch primary {
        case SQLITE_BUSY, SQLITE_LOCKED:
            return (.locked, "wait for the other meshproof, or see who has it open: fuser \(path)")
        case SQLITE_READONLY:
            return (
                .readOnly,
                "run a command that writes as the folder's owner, on a disk mounted for writing"
            )
        case SQLITE_FULL:
            return (.full, "make room on the disk that holds \(path), then run the command again")
        case SQLITE_IOERR:
            return (.disk, "look at the kernel's log (dmesg) for the disk that holds \(path)")
        case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH:
            return (
                .permission,
                "run as the owner of \(path), and check that its folder can be written to"
            )
        case SQLITE_CORRUPT:
            return (
                .corrupt,
                "restore \(path) from a backup; what can be read: sqlite3 \(path) .recover"
            )
        case SQLITE_NOTADB, SQLITE_FORMAT:
            return (
                .foreign, "\(path) is no state of meshproof; move it away or name another folder"
            )
        case SQLITE_NOMEM, SQLITE_TOOBIG:
            return (.memory, "free some memory, then run the command again")
        case SQLITE_NOLFS, SQLITE_PROTOCOL:
            return (
                .disk,
                "put the state on a local disk: this file system does not lock as SQLite needs"
            )
        default:
            // ERROR, INTERNAL, ABORT, INTERRUPT, SCHEMA, CONSTRAINT, MISMATCH, MISUSE, RANGE: none of them is the
            // operator's doing.
            return (.database, "report this with the whole message; the state is as it was before")
        }
    }
}
