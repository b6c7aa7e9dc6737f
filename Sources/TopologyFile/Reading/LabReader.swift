import MeshModel

/// Reads `lab:`: how services are run in a rehearsal.
struct LabReader {
    let read: ValueReader

    func services(_ node: YAMLNode) -> [DraftLabService] {
        guard let fields = Fields(node, of: "`lab`", keys: ["services"], read, orNothing: true),
            let services = fields["services"], !services.isNull
        else { return [] }
        let entries = Fields.entries(services, of: "`lab.services`", read) ?? []
        return entries.compactMap { service($0.key, $0.value) }
    }

    private func service(_ name: Marked<String>, _ body: YAMLNode) -> DraftLabService? {
        let what = "the lab service `\(read.clip(name.value))`"
        guard let fields = Fields(body, of: what, keys: ["prepare", "run", "user"], read) else {
            return nil
        }
        let prepare = fields["prepare"].map { command($0, "a command to prepare with") } ?? []
        guard let run = fields["run"] else {
            read.sink.missing("\(what) has no `run`", at: name.mark, fix: "add `run: COMMAND`")
            return nil
        }
        let user = fields["user"].flatMap { node -> String? in
            guard let text = read.text(node, "a user") else { return nil }
            if HostReader.isUser(text.value) { return text.value }
            read.sink.error(
                "`\(read.clip(text.value))` is not a user name", at: text.mark,
                fix: "write the name of a user of this machine")
            return nil
        }
        let words = command(run, "a command to run")
        return DraftLabService(
            name: name, service: LabService(prepare: prepare, run: words, user: user))
    }

    /// A list is the words of a command; text is for the shell.
    private func command(_ node: YAMLNode, _ what: String) -> [String] {
        guard case .sequence(let items) = node.content else {
            return read.text(node, what).map { ["/bin/sh", "-c", $0.value] } ?? []
        }
        if items.isEmpty {
            read.sink.error(
                "expected \(what), found an empty list", at: node.mark,
                fix: "write [program, argument] or shell text")
        }
        return items.compactMap { item in
            // An empty word is a word.
            if case .scalar(let scalar) = item.content, !scalar.isPlain { return scalar.text }
            return read.text(item, "a word of the command")?.value
        }
    }
}
