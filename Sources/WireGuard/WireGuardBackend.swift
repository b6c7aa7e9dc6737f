public import MeshModel

/// One implementation of WireGuard: the kernel's, or a program's.
///
/// *Privilege:* all of it needs CAP_NET_ADMIN in the network namespace.
public protocol WireGuardBackend: Sendable {
    /// Which implementation it is.
    var kind: InterfaceKind { get }

    /// Makes the interface, down, in group `Ownership.linkGroup`.
    ///
    /// *Idempotency:* one of this kind that is there already is put in the group and else left alone.
    /// *Throws:* `nameTaken` where the name belongs to something else.
    func create(_ name: String) throws(WireGuardError)

    /// Removes the interface with all that hangs on it. *Idempotency:* a missing one is fine.
    ///
    /// *Throws:* `nameTaken` where the name belongs to something else, which is left alone.
    func delete(_ name: String) throws(WireGuardError)

    /// The device as it is.
    ///
    /// - Parameter identify: names a preshared key; the key itself is wiped as soon as it has been named. It may be
    ///   called more than once for a key, where the device changed while it was read.
    func read(
        _ name: String, identify: @Sendable (UnsafeRawBufferPointer) -> PresharedKeyID
    ) throws(WireGuardError) -> ObservedDevice

    /// Changes the device. *Idempotency:* the same twice is fine, but see ``DeviceConfiguration/replacePeers``.
    ///
    /// A change too large for one message is made in several; a failure in between leaves the first part done.
    func configure(_ name: String, _ configuration: DeviceConfiguration) throws(WireGuardError)
}

/// What an interface may be called.
enum InterfaceName {
    /// *Throws:* `badName` where the kernel would refuse, or where it would lead out of the socket folder.
    static func check(_ name: String) throws(WireGuardError) {
        let isPlain = name.utf8.allSatisfy { byte in
            byte > 32 && byte != 127 && byte != UInt8(ascii: "/")
        }
        guard (1...15).contains(name.utf8.count), isPlain, name != ".", name != "..",
            !name.contains("%")
        else {
            throw WireGuardError(
                .badName, "name interface", name,
                hint: "use 1 to 15 characters without blank or slash")
        }
    }
}
