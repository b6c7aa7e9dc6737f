public import MeshModel

/// Reads and writes the table of a mesh's guard in the nftables of this network namespace. One thread owns it.
///
/// It touches no other table. *Privilege:* CAP_NET_ADMIN.
public final class GuardKeeper {
    private let mesh: String
    private var library: NFTLibrary?
    /// How libnftables lists what was written last: another version may spell some expression otherwise than the one
    /// whose spelling `GuardTable` has.
    private var spelling: (wanted: DesiredGuard, listing: GuardListing)?

    /// The keeper of a mesh's guard; the library is opened when it is first needed.
    public init(mesh: String) { self.mesh = mesh }

    private var name: String { Ownership.guardTable(mesh: mesh) }

    /// A mesh's guard as it is, told against what is wanted; nil where there is none and none is wanted.
    ///
    /// Where it cannot be looked at, that is its one difference, with the problem: a guard that may be missing must not
    /// keep the rest of a node from being looked at.
    public func observe(_ wanted: DesiredGuard?) -> ObservedGuard? {
        do throws(PacketFilterError) {
            try open()
            return compare(try listing(), with: wanted)
        } catch {
            // Without the library, or without nftables in the kernel, nobody can have made one.
            guard wanted != nil else { return nil }
            return ObservedGuard(
                differences: ["it cannot be looked at"], problem: error.description)
        }
    }

    private func compare(
        _ found: GuardListing?, with wanted: DesiredGuard?
    ) -> ObservedGuard? {
        guard let found else {
            return wanted == nil ? nil : ObservedGuard(differences: ["there is none"])
        }
        guard let wanted else { return ObservedGuard(differences: [], drops: found.drops) }
        var differences = found.differences(from: GuardTable(wanted, mesh: mesh).listing)
        if !differences.isEmpty, let known = spelling, known.wanted == wanted {
            differences = found.differences(from: known.listing)
        }
        return ObservedGuard(differences: differences, drops: found.drops)
    }

    /// Replaces a mesh's table as a whole, in one transaction: at no moment is there none, or half of one. What the
    /// counters have counted stays.
    ///
    /// *Idempotency:* the same again gives the same table. *Throws:* any code.
    public func set(_ wanted: DesiredGuard) throws(PacketFilterError) {
        try open()
        let drops = try listing()?.drops ?? []
        let commands = GuardTable(wanted, mesh: mesh).transaction(drops: drops)
        _ = try run(commands, "set the guard")
        if let listing = try listing() { spelling = (wanted, listing) }
    }

    /// Removes a mesh's table; nothing where there is none.
    public func remove() throws(PacketFilterError) {
        try open()
        spelling = nil
        guard try exists() else { return }
        _ = try run([["delete": GuardTable.table(name)]], "remove the guard")
    }

    private func open() throws(PacketFilterError) {
        if library == nil { library = try NFTLibrary() }
    }

    private func exists() throws(PacketFilterError) -> Bool {
        let tables = try run([["list": ["tables": .null]]], "list tables")
        return tables.contains {
            $0["table"]?["name"]?.text == name && $0["table"]?["family"]?.text == "inet"
        }
    }

    private func listing() throws(PacketFilterError) -> GuardListing? {
        guard try exists() else { return nil }
        return GuardListing(
            try run([["list": GuardTable.table(name)]], "list the guard"), table: name)
    }

    /// Runs commands and gives the objects that they print.
    private func run(
        _ commands: [JSONValue], _ operation: String
    ) throws(PacketFilterError) -> [JSONValue] {
        guard let library else { return [] }
        let answer = try library.run(JSONText.commands(commands), operation)
        if answer.isEmpty { return [] }
        guard let objects = JSONText.objects(in: answer) else {
            throw PacketFilterError(
                .unreadable, operation, "libnftables answered with something that is no JSON",
                hint: "install Debian's nftables, which is built with JSON")
        }
        return objects
    }
}
