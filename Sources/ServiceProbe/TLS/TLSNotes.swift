import COpenSSL

/// What OpenSSL's callbacks tell during one handshake.
final class TLSNotes {
    /// What is wrong with the server's chain, each once, in the order in which it was found.
    private(set) var problems: [String] = []
    /// Whether the server asked for a client certificate.
    var asksForCertificate = false

    /// Notes why a chain is not to be trusted, by X509_STORE_CTX_get_error(3)'s number.
    func note(_ problem: Int32) {
        let words = X509_verify_cert_error_string(Int(problem)).map { String(cString: $0) }
        let text = words ?? "verify error \(problem)"
        if !problems.contains(text) { problems.append(text) }
    }
}
