import Glibc

/// libnftables, opened when it is first needed: a node whose mesh has no guard does not need it.
///
/// *Source:* libnftables(3). The functions are looked up by name, so that the program starts without the library.
final class NFTLibrary {
    private typealias New = @convention(c) (UInt32) -> OpaquePointer?
    private typealias Free = @convention(c) (OpaquePointer) -> Void
    private typealias SetFlags = @convention(c) (OpaquePointer, UInt32) -> Void
    private typealias Prepare = @convention(c) (OpaquePointer) -> Int32
    private typealias Text = @convention(c) (OpaquePointer) -> UnsafePointer<CChar>?
    private typealias Run = @convention(c) (OpaquePointer, UnsafePointer<CChar>) -> Int32

    /// *Source:* nftables/libnftables.h: NFT_CTX_OUTPUT_JSON, NFT_CTX_OUTPUT_NUMERIC_PROTO. The latter also spares it
    /// /etc/protocols, which not every machine has.
    private static let flags: UInt32 = 1 << 4 | 1 << 7
    /// NFT_CTX_OUTPUT_HANDLE, NFT_CTX_OUTPUT_NUMERIC_PROTO: text, each line with the number of what it tells.
    private static let textFlags: UInt32 = 1 << 3 | 1 << 7
    private static let file = "libnftables.so.1"

    private let handle: UnsafeMutableRawPointer
    private let new: New
    private let free: Free
    private let setFlags: SetFlags
    private let bufferOutput: Prepare
    private let bufferErrors: Prepare
    private let output: Text
    private let errors: Text
    private let run: Run

    /// *Throws:* `libraryMissing`, `libraryUnfit`.
    init() throws(PacketFilterError) {
        guard let handle = dlopen(Self.file, RTLD_NOW | RTLD_LOCAL) else {
            throw PacketFilterError(
                .libraryMissing, "load \(Self.file)", "it is not installed",
                hint: PacketFilterError.installHint)
        }
        self.handle = handle
        new = unsafeBitCast(try Self.symbol(handle, "nft_ctx_new"), to: New.self)
        free = unsafeBitCast(try Self.symbol(handle, "nft_ctx_free"), to: Free.self)
        setFlags = unsafeBitCast(
            try Self.symbol(handle, "nft_ctx_output_set_flags"), to: SetFlags.self)
        bufferOutput = unsafeBitCast(
            try Self.symbol(handle, "nft_ctx_buffer_output"), to: Prepare.self)
        bufferErrors = unsafeBitCast(
            try Self.symbol(handle, "nft_ctx_buffer_error"), to: Prepare.self)
        output = unsafeBitCast(
            try Self.symbol(handle, "nft_ctx_get_output_buffer"), to: Text.self)
        errors = unsafeBitCast(try Self.symbol(handle, "nft_ctx_get_error_buffer"), to: Text.self)
        run = unsafeBitCast(try Self.symbol(handle, "nft_run_cmd_from_buffer"), to: Run.self)
    }

    private static func symbol(
        _ handle: UnsafeMutableRawPointer, _ name: String
    ) throws(PacketFilterError) -> UnsafeMutableRawPointer {
        guard let found = dlsym(handle, name) else {
            throw PacketFilterError(
                .libraryUnfit, "load \(file)", "it has no \(name)",
                hint: "install a newer nftables (1.0.2 or later)")
        }
        return found
    }

    /// Runs commands in one transaction and returns what was printed.
    ///
    /// Each run has a context of its own: what one remembers of the kernel is not trusted by the next.
    /// *Privilege:* CAP_NET_ADMIN.
    ///
    /// - Parameter asText: whether what is printed is nft's own language, with handles, and not JSON.
    func run(
        _ commands: String, _ operation: String, asText: Bool = false
    ) throws(PacketFilterError) -> String {
        guard let context = new(0), bufferOutput(context) == 0, bufferErrors(context) == 0 else {
            throw PacketFilterError(.libraryUnfit, operation, "libnftables does not start")
        }
        defer { free(context) }
        setFlags(context, asText ? Self.textFlags : Self.flags)
        let status = commands.withCString { run(context, $0) }
        guard status == 0 else {
            throw PacketFilterError(.refused, operation, Self.firstLine(errors(context)))
        }
        return output(context).map { String(cString: $0) } ?? ""
    }

    /// libnftables quotes the command below what it says; the first line says it.
    private static func firstLine(_ text: UnsafePointer<CChar>?) -> String {
        let lines = text.map { String(cString: $0) }?.split(whereSeparator: \.isNewline) ?? []
        let line = lines.first { $0.contains("Error") } ?? lines.first ?? "no reason given"
        guard let mark = line.firstRange(of: "Error: ") else { return String(line) }
        return String(line[mark.upperBound...])
    }
}
