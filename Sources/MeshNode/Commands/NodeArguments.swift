import MeshModel
import NodeProtocol

/// The arguments of a node command: `--name value` pairs and bare `--flag`s, each at most once.
struct NodeArguments {
    private var values: [String: String] = [:]
    private var flags: Set<String> = []

    init(_ arguments: [String], options: Set<String>, flags known: Set<String> = [])
        throws(NodeError)
    {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            if known.contains(name) {
                flags.insert(name)
            } else if options.contains(name), values[name] == nil, let value = rest.popFirst() {
                values[name] = value
            } else {
                throw NodeError(
                    .usage, "read arguments", "",
                    "unexpected or incomplete argument \(name.prefix(40))",
                    hint: NodeCommands.usage)
            }
        }
    }

    func value(_ name: String) throws(NodeError) -> String {
        guard let value = values[name] else {
            throw NodeError(
                .usage, "read arguments", "", "\(name) is missing", hint: NodeCommands.usage)
        }
        return value
    }

    func has(_ flag: String) -> Bool { flags.contains(flag) }

    func has(anyOf options: [String]) -> Bool { options.contains { values[$0] != nil } }

    /// Whether an option is given, and its value is not `value`.
    func claims(_ option: String, otherThan value: String) -> Bool {
        values[option].map { $0 != value } ?? false
    }

    /// The chain of the controller's keys in `--succession`, JSON in base64; empty without it.
    func succession() throws(NodeError) -> [KeySuccession] {
        guard let text = values["--succession"] else { return [] }
        guard let bytes = Base64.decode(text),
            let chain = try? Wire.decode([KeySuccession].self, from: bytes)
        else {
            throw NodeError(.usage, "read arguments", "", "--succession is no chain of keys")
        }
        return chain
    }

    /// The folders of the mesh that `--mesh` names.
    func folders() throws(NodeError) -> NodeFolders {
        let mesh = try value("--mesh")
        guard let folders = NodeFolders(mesh: mesh) else {
            throw NodeError(
                .usage, "read arguments", "", "\(mesh.prefix(40)) is no mesh name",
                hint: "up to 11 of a-z, 0-9 and -")
        }
        return folders
    }
}
