import FoundationEssentials

/// Records as JSON: they outlive versions of this program, and a person can read them with the sqlite3 tool.
enum Record {
    static func encode(_ record: some Encodable) throws(StoreError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(record)) } catch {
            throw StoreError(
                .malformed, "encode", "\(type(of: record))", "cannot be written as JSON",
                hint: "report this; nothing was changed")
        }
    }

    static func decode<Value: Decodable>(
        _ type: Value.Type, _ bytes: [UInt8], key: String
    ) throws(StoreError) -> Value {
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw StoreError(
                .malformed, "read", key, "is not a record that this version can read",
                hint:
                    "restore the state from a backup, or use the newer meshproof that was here before"
            )
        }
    }
}
