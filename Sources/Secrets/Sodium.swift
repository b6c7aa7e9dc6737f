import CSodium

/// libsodium, made ready once before its first use.
enum Sodium {
    /// Whether `sodium_init` succeeded: it fails only where the system has no source of randomness.
    private static let isReady = sodium_init() >= 0

    static func require(_ operation: String) throws(SecretsError) {
        guard isReady else {
            throw SecretsError(
                .library, operation, "", "libsodium could not be initialised",
                hint: "check that getrandom(2) works and /dev/urandom can be read")
        }
    }
}
