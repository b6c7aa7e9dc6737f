import MeshModel

/// All checks of what the file's parts mean together.
struct DraftChecks {
    private let draft: Draft
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ sink: DiagnosticSink) {
        self.draft = draft
        self.sink = sink
    }

    func run() {
        let names = DraftNames(draft, sink)
        names.checkDistinct()
        NodeChecks(draft, sink).run()
        AddressChecks(draft, sink).run()
        ServiceChecks(draft, names, sink).run()
        MailChecks(draft, names, sink).run()
        EdgeChecks(draft, names, sink).run()
        ForbidChecks(draft, names, sink).run()
        PeeringChecks(draft, names, sink).run()
    }
}
