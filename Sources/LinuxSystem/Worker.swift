import CLinux
import Glibc
import Synchronization

/// One named thread for one blocking resource, joined when asked.
///
/// Blocking C calls would starve Swift's cooperative pool, so each such resource gets a thread of its own.
public final class Worker: Sendable {
    private let thread: pthread_t
    private let joined = Mutex(false)

    /// Starts `body` on a new thread called `name` (15 bytes are kept).
    public init(_ name: String, stackBytes: Int = 1 << 20, _ body: @escaping @Sendable () -> Void)
        throws(SystemError)
    {
        let job = Unmanaged.passRetained(WorkerJob(name: name, body: body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, stackBytes)
        defer { pthread_attr_destroy(&attributes) }
        var handle = pthread_t()
        let code = pthread_create(&handle, &attributes, runWorker, job.toOpaque())
        if code != 0 {
            job.release()
            throw SystemError("pthread_create", name, errno: code)
        }
        thread = handle
    }

    deinit {
        // Nobody waits any more: the thread gives its stack back by itself.
        let last = joined.withLock { !$0 }
        if last { pthread_detach(thread) }
    }

    /// Waits for the thread to end. *Idempotency:* a second call returns at once.
    public func join() {
        let first = joined.withLock { done in
            defer { done = true }
            return !done
        }
        if first { pthread_join(thread, nil) }
    }
}

private final class WorkerJob: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// A file-scope function, because C cannot call a closure that has an executor.
private func runWorker(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let job = Unmanaged<WorkerJob>.fromOpaque(context).takeRetainedValue()
    cl_name_thread(job.name)
    job.body()
    return nil
}

/// Runs `body` for every element on at most `limit` threads, and returns the results in order.
public func fanOut<Element: Sendable, Result: Sendable>(
    _ elements: [Element], limit: Int, name: String, _ body: @escaping @Sendable (Element) -> Result
) throws(SystemError) -> [Result] {
    let queue = FanOutQueue<Result>(count: elements.count)
    var workers: [Worker] = []
    for _ in 0..<min(max(limit, 1), elements.count) {
        do throws(SystemError) {
            workers.append(
                try Worker(name) {
                    while let index = queue.next() { queue.put(body(elements[index]), at: index) }
                })
        } catch {
            // Where threads run out, those there are do all the work.
            if workers.isEmpty { throw error }
            break
        }
    }
    for worker in workers { worker.join() }
    return queue.results()
}

private final class FanOutQueue<Result: Sendable>: Sendable {
    private let state: Mutex<(next: Int, results: [Result?])>

    init(count: Int) {
        state = Mutex((0, Array(repeating: nil, count: count)))
    }

    func next() -> Int? {
        state.withLock { state in
            guard state.next < state.results.count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    func put(_ result: Result, at index: Int) {
        state.withLock { $0.results[index] = result }
    }

    func results() -> [Result] {
        state.withLock { $0.results.compactMap { $0 } }
    }
}
