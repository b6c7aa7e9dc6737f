import FoundationEssentials

/// JSON in and out, in one form everywhere: sorted keys, no escaped slashes.
public enum Wire {
    /// The JSON of a value.
    public static func encode(_ value: some Encodable, pretty: Bool = false) throws(ProtocolError)
        -> [UInt8]
    {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty
            ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
            : [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(value)) } catch {
            throw ProtocolError(.malformed, "cannot encode a \(type(of: value))")
        }
    }

    /// The value that JSON stands for.
    ///
    /// *Throws:* ``ProtocolError`` `malformed`; the message names the field, never its content.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(ProtocolError) -> Value {
        if nesting(of: bytes) > 64 {
            throw ProtocolError(.malformed, "a message nested more than 64 deep")
        }
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw ProtocolError(.malformed, "not a valid \(type)\(place(of: error))")
        }
    }

    /// How deep brackets go, counted before the parser recurses into them.
    private static func nesting(of bytes: [UInt8]) -> Int {
        var depth = 0
        var deepest = 0
        var inString = false
        var escaped = false
        for byte in bytes {
            if escaped {
                escaped = false
            } else if inString {
                if byte == UInt8(ascii: "\\") { escaped = true }
                if byte == UInt8(ascii: "\"") { inString = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): inString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    deepest = max(deepest, depth)
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
            }
        }
        return deepest
    }

    private static func place(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "" }
        let context: DecodingError.Context
        switch error {
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found):
            context = found
        case .keyNotFound(let key, let found):
            return ": \(path(found.codingPath + [key])) is missing"
        @unknown default: return ""
        }
        let place = path(context.codingPath)
        return place.isEmpty ? "" : " at \(place)"
    }

    /// The way to a field. The keys of a dictionary are the sender's words: nothing in them may reach a terminal or
    /// fill a log.
    private static func path(_ keys: [any CodingKey]) -> String {
        let words = keys.prefix(16).map { key in
            String(
                decoding: key.stringValue.utf8.prefix(64).map {
                    (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?")
                },
                as: UTF8.self)
        }
        return words.joined(separator: ".")
    }
}
