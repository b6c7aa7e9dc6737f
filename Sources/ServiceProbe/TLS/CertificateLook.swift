import COpenSSL
import Glibc
import MeshModel

/// What a certificate says, for people and for comparing.
struct CertificateLook {
    let subject: String
    let issuer: String
    /// *Units:* seconds since 1970.
    let expires: Double
    /// SHA-256 in hexadecimal.
    let fingerprint: String

    init(_ certificate: OpaquePointer) {
        subject = Self.text(X509_get_subject_name(certificate))
        issuer = Self.text(X509_get_issuer_name(certificate))
        var end = tm()
        if ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 {
            expires = Double(timegm(&end))
        } else {
            expires = 0
        }
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        let code = X509_digest(certificate, EVP_sha256(), &digest, &count)
        fingerprint = code == 1 && count == 32 ? Base64.hex(digest) : ""
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name, let out = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(out) }
        guard co_print_name(out, name) >= 0 else { return "" }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = BIO_read(out, &buffer, 512)
        return shown(buffer.prefix(Int(max(count, 0))), limit: 512)
    }
}
