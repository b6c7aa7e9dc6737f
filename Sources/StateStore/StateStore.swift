import LinuxSystem
import Synchronization

/// The controller's memory, in one SQLite file in a folder of its own.
///
/// *Shape:* `state.db` (WAL, so also `state.db-wal` and `-shm`) and `lock`, all of mode 0600, in a folder of mode 0700.
/// A commit is on the disk when it returns; whatever kills the process leaves the last whole commit.
/// Calls block: make them on a thread that may.
public final class StateStore: KeyValueStore {
    /// The folder.
    public let folder: String
    private let entries: Mutex<EntryTable>
    // Held for as long as this object lives; nil where it only reads.
    private let lock: FileLock?

    private init(folder: String, entries: consuming sending EntryTable, lock: consuming FileLock?) {
        self.folder = folder
        self.entries = Mutex(entries)
        self.lock = lock
    }

    /// Opens the state for the one writer, and makes it where there is none.
    ///
    /// *Throws:* ``StoreError`` `inUse`, naming the other process, where somebody else writes; `permission` for a folder
    /// that others can write to; `newerSchema`, `foreign` or `corrupt` for a file that must be left alone.
    public static func openForWriting(folder: String) throws(StoreError) -> StateStore {
        let lock = try StateFiles.claim(folder)
        let database = try Database(path: StateFiles.database(folder))
        let version = try Schema.version(of: database)
        // WAL lets plan and status read while up writes; FULL syncs it at each commit, so that a step's journal is on
        // the disk before the step is taken. The limit gives back what one large commit made the log grow by. What is
        // deleted is overwritten: a sealed secret's old form must not outlive it in the file's free pages.
        try database.execute(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
            PRAGMA journal_size_limit = 16777216; PRAGMA secure_delete = ON;
            """, "open")
        try Schema.migrate(database, from: version)
        return StateStore(folder: folder, entries: try EntryTable.over(database), lock: lock)
    }

    /// Opens the state to look at it, also while a writer works; nil where there is none yet.
    public static func openForReading(folder: String) throws(StoreError) -> StateStore? {
        let path = StateFiles.database(folder)
        guard try StateFiles.isPresent(path) else { return nil }
        let database = try Database(path: path)
        let version = try Schema.version(of: database)
        // The writer has made the file and not yet its tables.
        if version == 0 { return nil }
        if version < Schema.current {
            throw StoreError(
                .olderSchema, "open", path,
                "has version \(version); this meshproof reads \(Schema.current)",
                hint: "run `meshproof up` once, which brings it up to date")
        }
        try database.execute("PRAGMA query_only = ON", "open")
        return StateStore(folder: folder, entries: try EntryTable.over(database), lock: nil)
    }

    /// The value at `key`, or nil.
    public func get(_ key: String) throws(StoreError) -> VersionedValue? {
        try entries.withLock { (table) throws(StoreError) in try table.get(key) }
    }

    /// All whose key begins with `prefix`, in the order of their keys' bytes.
    public func list(_ prefix: String) throws(StoreError) -> [VersionedEntry] {
        try entries.withLock { (table) throws(StoreError) in try table.list(prefix) }
    }

    /// Makes all changes, or none where one expectation does not hold; synced to the disk when it returns.
    @discardableResult
    public func commit(_ changes: [StoreChange]) throws(StoreError) -> UInt64 {
        if lock == nil {
            throw StoreError(
                .readOnly, "commit", folder, "the state was opened for reading only",
                hint: "run a command that changes the mesh, for instance `meshproof up`")
        }
        try KeyRules.check(changes)
        return try entries.withLock { (table) throws(StoreError) in try table.commit(changes) }
    }

    /// Brings all commits into the one file and empties the log beside it, in which old values would linger.
    ///
    /// A reader that looks at an old value in this moment keeps the log from being emptied; the next call does it.
    /// *Source:* `PRAGMA wal_checkpoint(TRUNCATE)`.
    public func scrub() throws(StoreError) {
        try entries.withLock { (table) throws(StoreError) in try table.scrub() }
    }

    /// The names of the files in the folder, those that SQLite makes among them.
    public static let fileNames = ["state.db", "state.db-wal", "state.db-shm", "lock"]

    /// What is wrong with the file, a line each; empty where nothing is. *Source:* `PRAGMA integrity_check`.
    public func damage() throws(StoreError) -> [String] {
        try entries.withLock { (table) throws(StoreError) in try table.damage() }
    }
}
