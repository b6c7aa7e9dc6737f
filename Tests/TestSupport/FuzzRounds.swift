import Glibc

/// How many mutated inputs a fuzz test takes: `MESHPROOF_FUZZ` in the environment, which scripts/test sets to 100,000,
/// else `standard`, few enough for every run.
package func fuzzRounds(_ standard: Int) -> Int {
    getenv("MESHPROOF_FUZZ").flatMap { Int(String(cString: $0)) } ?? standard
}
