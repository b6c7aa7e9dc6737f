import MeshController
import NodeProtocol

/// Results as JSON: sorted keys, one version, which only grows.
enum JSONOutput {
    /// The version of the shape of everything that `--json` prints.
    static let version = 1

    private struct Envelope<Result: Encodable>: Encodable {
        let version: Int
        let command: String
        let result: Result
    }

    /// Prints one result.
    static func print(_ result: some Encodable, command: String, to output: Output) throws {
        let bytes = try Wire.encode(
            Envelope(version: version, command: command, result: result), pretty: true)
        output.line(String(decoding: bytes, as: UTF8.self))
    }
}
