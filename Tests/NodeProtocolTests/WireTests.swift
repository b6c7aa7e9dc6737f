import MeshModel
import NodeProtocol
import Testing

@Suite("A message is the same on both sides, and nothing else is a message")
struct WireTests {
    @Test("Every request comes back as it went", arguments: Samples.requests)
    func request(_ request: Request) throws {
        #expect(try Wire.decode(Request.self, from: Wire.encode(request)) == request)
        #expect(try Wire.decode(Request.self, from: Wire.encode(request, pretty: true)) == request)
    }

    @Test("Every response comes back as it went", arguments: Samples.responses)
    func response(_ response: Response) throws {
        #expect(try Wire.decode(Response.self, from: Wire.encode(response)) == response)
    }

    @Test("The form on the wire stays what it is")
    func golden() throws {
        let text = String(
            decoding: try Wire.encode(Request.commit(revision: 7, window: 60)), as: UTF8.self)
        #expect(text == #"{"commit":{"revision":7,"window":60}}"#)
        #expect(try Wire.decode(Request.self, from: Array(#"{"observe":{}}"#.utf8)) == .observe)
    }

    @Test("The same document always has the same bytes, so that a signature can be made again")
    func deterministic() throws {
        let again = try Wire.decode(NodeDocument.self, from: Wire.encode(Samples.document))
        #expect(try Wire.encode(again) == Wire.encode(Samples.document))
    }

    @Test(
        "What is no message is refused with a reason",
        arguments: [
            "", "{", "null", "[]", "{}", "\"observe\"", #"{"unknown":{}}"#,
            #"{"observe":{},"down":{}}"#,
            #"{"commit":{"revision":-1,"window":60}}"#,
            #"{"commit":{"revision":18446744073709551616,"window":60}}"#,
            #"{"commit":{"revision":7,"window":1e999}}"#,
            #"{"commit":{"revision":7.5,"window":60}}"#,
            #"{"commit":{"revision":"7","window":60}}"#, #"{"commit":{"window":60}}"#,
            "{\"observe\":{}}x",
            "\u{0}", #"{"hello":{"version":NaN}}"#,
        ])
    func refused(text: String) {
        #expect { try Wire.decode(Request.self, from: Array(text.utf8)) } throws: {
            ($0 as? ProtocolError)?.code == .malformed
        }
    }

    @Test(
        "Bytes that are no UTF-8 are refused",
        arguments: [[0xff], [0x22, 0xc3, 0x22], [0xef, 0xbb, 0xbf]] as [[UInt8]])
    func notText(bytes: [UInt8]) {
        #expect { try Wire.decode(Request.self, from: bytes) } throws: {
            ($0 as? ProtocolError)?.code == .malformed
        }
    }

    @Test(
        "Nesting that would exhaust a stack is refused before it is parsed",
        arguments: ["[", "{\"a\":"])
    func nested(opening: String) {
        let bytes = Array(String(repeating: opening, count: 1_000_000).utf8)
        #expect { try Wire.decode(Request.self, from: bytes) } throws: {
            ($0 as? ProtocolError)?.message.contains("nested") == true
        }
    }

    @Test("Brackets in a string are no nesting")
    func bracketsInText() throws {
        let reason = String(repeating: "[{\\\"", count: 200)
        let response = Response.refused(ProtocolError(.failed, reason))
        #expect(try Wire.decode(Response.self, from: Wire.encode(response)) == response)
    }

    @Test("A reason names the field, not its content, and cannot paint a terminal")
    func reason() throws {
        let secret = "c2VjcmV0"
        let wrong =
            #"{"stage":{"document":{"payload":"","signature":""},"presharedKeys":[{"id":"00","key":[\#"\#(secret)"]}]}}"#
        let text = try #require(failure(Request.self, wrong))
        #expect(text.contains("presharedKeys") && text.contains("key") && !text.contains(secret))

        let painted =
            #"{"observed":{"observed":{"resolved":{"\u001b[2Jx\#(String(repeating: "y", count: 5000))":7},"bootID":"","observedAt":0,"interfaces":[],"routes":[],"derivedMTU":{}}}}"#
        let other = try #require(failure(Response.self, painted))
        #expect(other.utf8.allSatisfy { $0 >= 0x20 } && other.utf8.count < 2000)
    }

    private func failure<Value: Decodable>(_ type: Value.Type, _ text: String) -> String? {
        do {
            _ = try Wire.decode(type, from: Array(text.utf8))
            return nil
        } catch { return error.message }
    }
}
