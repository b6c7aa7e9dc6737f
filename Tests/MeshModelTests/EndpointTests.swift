import MeshModel
import Testing

@Suite("Endpoints have one text each")
struct EndpointTests {
    @Test(
        "what is written is read back",
        arguments: [
            "192.0.2.1:51820", "[2001:db8::1]:1", "gpu.example:65535", "a:0",
            "[::ffff:192.0.2.1]:9",
        ])
    func roundTrip(_ text: String) throws {
        let endpoint = try #require(Endpoint(text))
        #expect(endpoint.description == text)
        #expect((endpoint.literal != nil) == (text.first?.isLetter == false))
        if let literal = endpoint.literal {
            #expect(literal.description == text)
            #expect(SocketEndpoint(text) == literal)
        }
    }

    @Test(
        "what is no endpoint is refused",
        arguments: [
            "", ":", ":1", "a", "a:", "a:65536", "a:-1", "a:+1", "a: 1", "a:01",
            "a:99999999999999999999",
            "2001:db8::1:51820", "[::1]", "[::1]:", "[]:1", "[1.2.3.4]:1", "[gpu]:1", "[::1:1",
            "::1]:1", "a b:1",
            "a\n:1", "[::1]x:1",
        ])
    func refused(_ text: String) {
        #expect(Endpoint(text) == nil)
        #expect(SocketEndpoint(text) == nil)
    }

    @Test("a name is no socket's endpoint")
    func names() {
        #expect(SocketEndpoint("gpu.example:1") == nil)
        #expect(Endpoint("gpu.example:1")?.literal == nil)
    }
}
