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

    @Test("right servers are proven, and each wrong one beside them is named")
    func sideBySide() throws {
        let lab = try TLSLab("tvtls", guarded: true)
        for isGuarded in [true, false] {
            if !isGuarded { try lab.guarded(false) }
            let capture = try Capture(lab.world.lab, "tcp port 9000 or tcp port 5440")
            let report = try lab.world.verify()
            // The oracle: what the proxy passed on crossed the LAN in clear, and nothing of the mutual TLS edge did.
            #expect(try capture.saw("mpc\(report.run.prefix(16))-e15", within: 5))
            #expect(try !capture.saw("mpc\(report.run.prefix(16))-e1.", within: 0))
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
