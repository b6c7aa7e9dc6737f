/// Passes on what goes wrong with a node; what goes well is told a step at a time.
struct NodeFailures: Progress {
    private let progress: any Progress

    init(_ progress: any Progress) { self.progress = progress }

    func working(_ node: String, _ phase: String) {}
    func finished(_ node: String, _ text: String, good: Bool) {
        if !good { progress.finished(node, text, good: false) }
    }
    func note(_ text: String) { progress.note(text) }
}
