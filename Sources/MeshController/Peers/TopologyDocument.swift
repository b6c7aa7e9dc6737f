import Glibc
import LinuxSystem
public import MeshModel
public import TopologyFile

/// The operator's topology file as a command found it, and the way to change it.
public struct TopologyDocument: Sendable {
    /// As the operator named it.
    public let path: String
    /// What it says.
    public let topology: Topology
    private let bytes: [UInt8]
    /// Where it really is: a link stays a link.
    private let target: String

    /// Reads it. *Throws:* ``ControllerError`` where it cannot be read, or is no valid topology any more.
    public init(path: String) throws(ControllerError) {
        self.path = path
        guard let found = realpath(path, nil) else {
            throw ControllerError(.usage, "there is no \(path)")
        }
        target = String(cString: found)
        free(found)
        do { bytes = try Files.read(target, limit: 16 << 20) } catch {
            throw ControllerError(.usage, "\(error)")
        }
        let outcome = TopologyFile.parse(bytes, name: path)
        guard let topology = outcome.topology else {
            throw ControllerError(
                .usage, outcome.errors.first?.description ?? "\(path) is no topology",
                hint: "meshproof check")
        }
        self.topology = topology
    }

    /// The file with these edits made; nothing is written.
    public func edited(_ edits: [TopologyEdit]) throws(TopologyEditError) -> EditedTopology {
        try TopologyFile.edit(bytes, name: path, edits)
    }

    /// The lines that differ, as `-` and `+` with their numbers, in the new file's order.
    public func difference(to edited: EditedTopology) -> [String] {
        func lines(_ bytes: [UInt8]) -> [String] {
            String(decoding: bytes, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false
            ).map { $0.hasSuffix("\r") ? String($0.dropLast()) : String($0) }
        }
        let changes = lines(edited.bytes).difference(from: lines(bytes))
        let removed = changes.removals.map { change in
            guard case .remove(let offset, let line, _) = change else { return (0, "") }
            return (offset, "-\(offset + 1): \(line)")
        }
        let added = changes.insertions.map { change in
            guard case .insert(let offset, let line, _) = change else { return (0, "") }
            return (offset, "+\(offset + 1): \(line)")
        }
        return (removed + added).sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// Puts the edited file in the place of the one that was read, in one step; the one that was read stays beside it
    /// as `FILE~`.
    ///
    /// *Throws:* ``ControllerError`` where it was changed meanwhile, or cannot be written.
    public func replace(with edited: EditedTopology) throws(ControllerError) {
        do {
            guard try Files.read(target, limit: 16 << 20) == bytes else {
                throw ControllerError(
                    .busy, "\(path) was changed while this command ran", hint: "run it again")
            }
            let mode = Files.mode(target) ?? 0o644
            try Files.replace("\(target)~", with: bytes, mode: mode)
            try Files.replace(target, with: edited.bytes, mode: mode)
        } catch let error as ControllerError {
            throw error
        } catch {
            throw ControllerError(
                .state, "\(path) cannot be written: \(error)", hint: "nothing was changed")
        }
    }
}
