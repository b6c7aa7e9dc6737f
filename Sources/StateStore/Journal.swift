import Synchronization

/// One command that changed, or was about to change, the mesh.
public struct JournalRun: Codable, Sendable, Equatable {
    /// Its name: sorts by time, and differs from all others.
    public var id: String
    /// The command line, for people.
    public var command: String
    /// *Units:* seconds since 1970.
    public var started: Double
    /// *Units:* seconds since 1970; nil where it was killed or still runs.
    public var finished: Double?
    /// How it ended, for people; nil as above.
    public var outcome: String?

    /// Gathers the parts.
    public init(
        id: String, command: String, started: Double, finished: Double? = nil,
        outcome: String? = nil
    ) {
        self.id = id
        self.command = command
        self.started = started
        self.finished = finished
        self.outcome = outcome
    }
}

/// One step of a run.
public struct JournalStep: Codable, Sendable, Equatable {
    /// Where a step stands.
    public enum State: String, Codable, Sendable {
        /// About to be taken.
        case begun
        /// Taken.
        case done
        /// Tried in vain.
        case failed
    }

    /// On which node, or empty for the controller itself.
    public var node: String
    /// What it does, a stable name such as `stage` or `commit`.
    public var step: String
    /// Where it stands.
    public var state: State
    /// *Units:* seconds since 1970.
    public var at: Double
    /// More of it, for people and for resuming; never a secret.
    public var detail: String?

    /// Gathers the parts.
    public init(node: String, step: String, state: State, at: Double, detail: String? = nil) {
        self.node = node
        self.step = step
        self.state = state
        self.at = at
        self.detail = detail
    }
}

/// What was begun and what was finished: where a killed command goes on from.
///
/// *Shape:* `journal/open/RUN` until it is finished, `journal/closed/RUN` afterwards, `journal/step/RUN/NUMBER`.
/// Each call is on the disk when it returns.
public final class Journal: Sendable {
    private let store: any KeyValueStore
    private let numbers = Mutex<[String: Int]>([:])

    /// The journal in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// Opens a run. *Shape:* `id` sorts by time and is made of letters, digits and hyphens.
    public func begin(_ id: String, command: String, at now: Double) throws(StoreError) {
        let run = JournalRun(id: id, command: command, started: now)
        let name = try KeyRules.part(id)
        try store.commit([
            StoreChange(Self.open + name, .put(try Record.encode(run)), expecting: .absent),
            StoreChange(Self.closed + name, .check, expecting: .absent),
        ])
    }

    /// Adds a step to an open run.
    public func append(_ step: JournalStep, to id: String) throws(StoreError) {
        let name = try KeyRules.part(id)
        let bytes = try Record.encode(step)
        let prefix = "\(Self.steps)\(name)/"
        let known = numbers.withLock { $0[id] != nil }
        if !known {
            let count = try store.list(prefix).count
            numbers.withLock { numbers in if numbers[id] == nil { numbers[id] = count } }
        }
        let number = numbers.withLock { numbers in
            defer { numbers[id, default: 0] += 1 }
            return numbers[id, default: 0]
        }
        // Ten digits keep the order of the text the order of the numbers.
        let digits = String(number)
        let padded = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
        guard let run = try store.get(Self.open + name) else {
            throw StoreError(
                .conflict, "append step", id, "this run is not open", hint: "begin a new run")
        }
        try store.commit([
            StoreChange(Self.open + name, .check, expecting: .version(run.version)),
            StoreChange(prefix + padded, .put(bytes), expecting: .absent),
        ])
    }

    /// Closes a run. *Idempotency:* one that is closed already is left as it is.
    public func finish(_ id: String, outcome: String, at now: Double) throws(StoreError) {
        let name = try KeyRules.part(id)
        guard let found = try store.get(Self.open + name) else {
            if try store.get(Self.closed + name) != nil { return }
            throw StoreError(
                .conflict, "finish run", id, "there is no such run", hint: "begin a new run")
        }
        var run = try Record.decode(JournalRun.self, found.value, key: Self.open + name)
        run.finished = now
        run.outcome = outcome
        try store.commit([
            StoreChange(Self.open + name, .delete, expecting: .version(found.version)),
            StoreChange(Self.closed + name, .put(try Record.encode(run))),
        ])
        numbers.withLock { $0[id] = nil }
    }

    /// The runs that were begun and never finished, oldest first.
    public func unfinished() throws(StoreError) -> [JournalRun] {
        try runs(Self.open)
    }

    /// The last finished runs, oldest first.
    public func finished(last count: Int) throws(StoreError) -> [JournalRun] {
        Array(try runs(Self.closed).suffix(max(0, count)))
    }

    /// The steps of a run, in the order they were added.
    public func steps(of id: String) throws(StoreError) -> [JournalStep] {
        var found: [JournalStep] = []
        for entry in try store.list("\(Self.steps)\(try KeyRules.part(id))/") {
            found.append(try Record.decode(JournalStep.self, entry.value, key: entry.key))
        }
        return found
    }

    /// Forgets finished runs and their steps, but for the last `count`.
    public func prune(keeping count: Int) throws(StoreError) {
        var changes: [StoreChange] = []
        for run in try runs(Self.closed).dropLast(max(0, count)) {
            let name = try KeyRules.part(run.id)
            changes.append(StoreChange(Self.closed + name, .delete))
            for step in try store.list("\(Self.steps)\(name)/") {
                changes.append(StoreChange(step.key, .delete))
            }
        }
        if !changes.isEmpty { try store.commit(changes) }
    }

    private static let open = "journal/open/"
    private static let closed = "journal/closed/"
    private static let steps = "journal/step/"

    private func runs(_ prefix: String) throws(StoreError) -> [JournalRun] {
        var found: [JournalRun] = []
        for entry in try store.list(prefix) {
            found.append(try Record.decode(JournalRun.self, entry.value, key: entry.key))
        }
        return found
    }
}
