import Glibc
import LinuxSystem
import MeshModel
import Synchronization

/// Certificates made for one test run by the openssl program.
final class TestAuthority: Sendable {
    let folder: TestFolder

    private static let path = Mutex("")

    /// One for all tests: keys take time.
    static let shared = Result { try TestAuthority() }

    private init() throws {
        folder = try TestFolder()
        // Nobody lets go of what is shared, so its folder goes with the process.
        Self.path.withLock { [folder] in $0 = folder.path }
        atexit { TestAuthority.path.withLock { try? Files.removeTree($0) } }
        for name in ["ca", "other-ca"] {
            try openssl(
                ["-keyout", "\(name).key", "-out", "\(name).pem", "-subj", "/CN=\(name)"]
                    + ["-addext", "basicConstraints=critical,CA:TRUE", "-days", "10"])
        }
        let names = "subjectAltName=DNS:service.test,IP:127.0.0.1"
        try openssl(signed("server", by: "ca") + ["-addext", names, "-days", "5"])
        try openssl(signed("stranger-server", by: "other-ca") + ["-addext", names, "-days", "5"])
        try openssl(signed("client", by: "ca") + ["-days", "5"])
        try openssl(signed("stranger", by: "other-ca") + ["-days", "5"])
        let locked = try Child.run(
            [
                "openssl", "pkcs8", "-topk8", "-in", "\(folder.path)/client.key", "-out",
                "\(folder.path)/locked.key", "-passout", "pass:swordfish",
            ])
        guard locked.status.isSuccess else {
            throw SystemError("openssl", "pkcs8", errno: 0, detail: locked.errorText)
        }
        try folder.write("empty.pem", "nothing\n")
    }

    private func signed(_ name: String, by authority: String) -> [String] {
        [
            "-keyout", "\(name).key", "-out", "\(name).pem", "-subj", "/CN=\(name)", "-CA",
            "\(folder.path)/\(authority).pem", "-CAkey", "\(folder.path)/\(authority).key",
            "-addext", "basicConstraints=critical,CA:FALSE",
        ]
    }

    private func openssl(_ words: [String]) throws {
        var words = words
        for (index, word) in words.enumerated()
        where word.hasSuffix(".key") || word.hasSuffix(".pem") {
            if !word.hasPrefix("/") { words[index] = "\(folder.path)/\(word)" }
        }
        let result = try Child.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-config", "/dev/null",
            ] + words)
        guard result.status.isSuccess else {
            throw SystemError(
                "openssl", words.joined(separator: " "), errno: 0, detail: result.errorText)
        }
    }

    /// What an edge is held to, with files of this folder.
    func rules(
        minimum: String = "TLS1.2", name: String = "service.test", authorities: String? = "ca.pem",
        client: String? = nil, key: String? = nil
    ) -> TLSCase {
        TLSCase(
            minimum: minimum, name: name, authorities: authorities,
            certificate: client.map { "\($0).pem" }, key: key ?? client.map { "\($0).key" },
            isMutual: client != nil)
    }

    /// openssl s_server, which answers HTTP with a page of its own.
    func server(_ options: String..., certificate: String = "server") throws -> TestProgram {
        let port = try Loopback.freePort()
        let place = folder.path
        return try TestProgram(
            [
                "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert",
                "\(place)/\(certificate).pem", "-key", "\(place)/\(certificate).key", "-CAfile",
                "\(place)/ca.pem", "-www",
            ] + options, port: port)
    }
}
