import LinuxSystem
import MeshModel
import Testing

@Suite(
    "Verify holds TLS edges to their certificates, and to what a server must refuse", .serialized,
    .enabled(if: LabConditions.isRoot))
struct VerifyTLSTests {
    /// What an edge has to come out as, and the finding that has to say why.
    private struct Expectation {
        let verdict: Verdict
        let code: FindingCode?

        init(_ verdict: Verdict, _ code: FindingCode? = nil) {
            self.verdict = verdict
            self.code = code
        }
    }

    private static let clean = ["web", "registry", "site", "raw", "pg"]

    private static let wrong: [String: Expectation] = [
        // Postgres answers SSLRequest with `S`, and takes a plain startup as well.
        "pgopen": Expectation(.exposed, .plainAccepted),
        // TLS is required of one user alone.
        "pgone": Expectation(.exposed, .plainAccepted),
        "expired": Expectation(.unproven, .untrustedCertificate),
        "renamed": Expectation(.unproven, .untrustedCertificate),
        "foreign": Expectation(.unproven, .untrustedCertificate),
        "old": Expectation(.down, .noAnswer),
        "polite": Expectation(.exposed, .clientCertificateOptional),
        // In TLS 1.3 the handshake is over before anybody asks for the certificate.
        "trusting": Expectation(.exposed, .clientCertificateOptional),
        "plain": Expectation(.exposed, .plainAccepted),
        "split": Expectation(.exposed, .plainAccepted),
        // TLS to bee, and from there to owl in clear.
        "proxy": Expectation(.exposed, .canaryOnWire),
    ]

    /// What a client has to get from the servers, whether it should or not: so it is known what there is to be seen.
    private static let served: Set<String> = {
        var lines: Set = ["plain mppage5466n", "plain mppage5467n", "tls mppage5440n"]
        for page in ["5441", "5460", "5461", "5462", "5463", "5464", "5467s", "far"] {
            // `polite` is 5464: to anybody else a page without a certificate is due.
            lines.formUnion(["bare mppage\(page)n", "tls mppage\(page)n"])
        }
        for port in ["5450", "5451", "5452"] { lines.insert("tls mpquery\(port)tlsn") }
        // `pgopen` takes everybody in clear, `pgone` all but one user; `trusting` serves who has no certificate.
        lines.formUnion(["plain mpquery5451plainn", "plain mpquery5452plainn", "bare mpsaid5465n"])
        return lines
    }()

    /// What of it crosses the LAN in clear.
    private static let clear: Set = [
        "mppage5466n", "mppage5467n", "mppagefarn", "mpquery5451plainn", "mpquery5452plainn",
    ]

    @Test("right servers are proven, and each wrong one beside them is named")
    func sideBySide() throws {
        let lab = try TLSLab("tvtls", guarded: true)
        for isGuarded in [true, false] {
            if !isGuarded { try lab.guarded(false) }
            let capture = try Capture(lab.world.lab)
            let report = try lab.world.verify()
            try capture.catchUp()
            // The oracle: what the proxy passed on crossed the LAN in clear, and nothing of another edge's did.
            #expect(try capture.canaries(of: report).map { report.edges[$0].id } == ["ant->proxy"])
            #expect(try lab.served() == Self.served)
            try capture.catchUp()
            for text in Self.served.compactMap({ $0.split(separator: " ").last.map(String.init) }) {
                #expect(try capture.saw(text) == Self.clear.contains(text), "\(text) on the bridge")
            }
            try capture.end()
            for edge in report.edges {
                let name = String(edge.id.dropFirst("ant->".count))
                if let wanted = Self.wrong[name] {
                    #expect(edge.verdict == wanted.verdict, "\(edge.story)")
                    #expect(wanted.code.map(edge.codes.contains) ?? true, "\(edge.story)")
                } else {
                    #expect(Self.clean.contains(name))
                    if name == "web" && !isGuarded {
                        #expect(edge.verdict == .exposed, "\(edge.story)")
                        continue
                    }
                    #expect(edge.verdict == .encrypted, "\(edge.story)")
                    #expect(edge.level == .enforced, "\(edge.story)")
                    #expect(edge.codes == [], "\(edge.story)")
                }
            }
            #expect(report.edges.count == Self.wrong.count + Self.clean.count)
        }
    }
}
