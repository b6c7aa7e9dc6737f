package import Netlink

/// The port that messages of a fake kernel are for.
package let testPort: UInt32 = 4711

/// One message, as the kernel would send it.
package func message(
    _ type: UInt16, flags: UInt16 = 0, sequence: UInt32, port: UInt32 = testPort,
    _ body: (inout NetlinkWriter) -> Void
) -> [UInt8] {
    var writer = NetlinkWriter(capacity: 32_768)
    writer.start(type: type, flags: flags)
    body(&writer)
    writer.seal(sequence: sequence)
    var bytes = writer.withBytes { [UInt8]($0) }
    bytes.set32(12, port)
    return bytes
}

/// The kernel's answer to a request that asked for one: 0, or what went wrong.
package func acknowledgement(
    _ errno: Int32 = 0, sequence: UInt32, port: UInt32 = testPort, text: String? = nil
) -> [UInt8] {
    let attributes = text == nil ? 0 : NetlinkFlags.acknowledgementAttributes
    return message(
        NetlinkControl.error, flags: NetlinkFlags.capped | attributes, sequence: sequence,
        port: port
    ) { writer in
        writer.append(-errno)
        // The request's own header, as far as anybody looks at it.
        writer.append(UInt32(16))
        writer.append(UInt64(0))
        writer.append(UInt32(0))
        if let text { writer.put(1, text) }
    }
}

/// The end of a dump.
package func done(
    _ errno: Int32 = 0, flags: UInt16 = NetlinkFlags.multi, sequence: UInt32
) -> [UInt8] {
    message(NetlinkControl.done, flags: flags, sequence: sequence) { $0.append(-errno) }
}
