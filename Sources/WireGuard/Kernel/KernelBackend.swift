public import MeshModel
public import Netlink

/// The kernel's WireGuard, through generic netlink.
///
/// *Source:* `linux/wireguard.h`.
public struct KernelBackend: WireGuardBackend {
    private let routes: RouteSocket
    private let generic: GenericSocket

    /// What the kernel calls such links.
    static let linkKind = "wireguard"

    /// Talks to the kernel in this thread's network namespace, from the first call on.
    public init() {
        self.init(routes: RouteSocket(), generic: GenericSocket(family: WireGuardFamily.name))
    }

    /// As ``init()``, over sockets of the caller's making.
    public init(routes: RouteSocket, generic: GenericSocket) {
        self.routes = routes
        self.generic = generic
    }

    /// The kernel's.
    public var kind: InterfaceKind { .kernel }

    /// Whether this kernel has WireGuard. Asking loads its module, where there is one and we may.
    public static func isAvailable() -> Bool {
        (try? GenericSocket(family: WireGuardFamily.name).resolve()) != nil
    }

    /// See ``WireGuardBackend/create(_:)``.
    public func create(_ name: String) throws(WireGuardError) {
        try InterfaceName.check(name)
        try translating(name) { () throws(NetlinkError) in
            do throws(NetlinkError) {
                try routes.createLink(name: name, kind: Self.linkKind, group: Ownership.linkGroup)
            } catch {
                if error.code != .exists { throw error }
                guard let link = try routes.link(named: name), link.kind == Self.linkKind else {
                    throw error
                }
                if link.group != Ownership.linkGroup {
                    try routes.setLink(index: link.index, group: Ownership.linkGroup)
                }
            }
        }
    }

    /// See ``WireGuardBackend/delete(_:)``.
    public func delete(_ name: String) throws(WireGuardError) {
        try InterfaceName.check(name)
        let link = try translating(name) { () throws(NetlinkError) in try routes.link(named: name) }
        guard let link else { return }
        guard link.kind == Self.linkKind else {
            throw WireGuardError(
                .nameTaken, "delete", name, text: "it is a \(link.kind ?? "hardware") link")
        }
        try translating(name) { () throws(NetlinkError) in try routes.deleteLink(index: link.index)
        }
    }

    /// See ``WireGuardBackend/read(_:identify:)``.
    public func read(
        _ name: String, identify: @Sendable (UnsafeRawBufferPointer) -> PresharedKeyID
    ) throws(WireGuardError) -> ObservedDevice {
        try InterfaceName.check(name)
        var device: ObservedDevice?
        try translating(name) { () throws(NetlinkError) in
            // The reader lives no longer than this call.
            try withoutActuallyEscaping(identify) { (identify) throws(NetlinkError) in
                device = try retryingFamily { () throws(NetlinkError) in
                    try dump(name, DeviceReader(identify: identify))
                }
            }
        }
        guard let device else {
            throw WireGuardError(.malformed, "read device", name, text: "the kernel said nothing")
        }
        return device
    }

    private func dump(_ name: String, _ empty: DeviceReader) throws(NetlinkError) -> ObservedDevice?
    {
        var writer = NetlinkWriter()
        try generic.start(
            &writer, command: WireGuardFamily.getDevice, version: WireGuardFamily.version,
            flags: NetlinkFlags.dump)
        writer.put(DeviceAttribute.name, name)
        let reader = try generic.connection.dump(
            &writer, "read device", name, wiping: true, into: empty
        ) {
            (reader, message) throws(NetlinkError) in try reader.add(message, name)
        }
        return reader.seen ? reader.device : nil
    }

    /// See ``WireGuardBackend/configure(_:_:)``.
    public func configure(_ name: String, _ configuration: DeviceConfiguration)
        throws(WireGuardError)
    {
        try InterfaceName.check(name)
        try translating(name) { () throws(NetlinkError) in
            try retryingFamily { () throws(NetlinkError) in try write(name, configuration) }
        }
    }

    private func write(_ name: String, _ configuration: DeviceConfiguration) throws(NetlinkError) {
        let limit = try generic.connection.messageLimit("configure", name)
        let generic = self.generic
        var writer = DeviceWriter(
            name, limit: limit,
            begin: { (writer) throws(NetlinkError) in
                try generic.start(
                    &writer, command: WireGuardFamily.setDevice, version: WireGuardFamily.version,
                    flags: NetlinkFlags.acknowledge)
            },
            send: { (writer) throws(NetlinkError) in
                try generic.connection.request(&writer, "configure", name)
            })
        try writer.write(configuration)
    }

    /// Runs `body` again where the module was loaded anew since its number was looked up.
    private func retryingFamily<Result>(
        _ body: () throws(NetlinkError) -> Result
    ) throws(NetlinkError) -> Result {
        do throws(NetlinkError) { return try body() } catch {
            // ENOENT: no family of that number. Nothing was done, then.
            guard error.errno == 2 else { throw error }
            generic.forget()
            return try body()
        }
    }
}
