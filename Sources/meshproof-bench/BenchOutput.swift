import Glibc
import LinuxSystem

/// What every measure shares: figures out, usage, timing.
enum BenchOutput {
    /// Prints one figure a line as `name: value unit`, or all as one JSON object of numbers.
    static func figures(_ figures: [(name: String, value: Double, unit: String)], json: Bool) {
        if json {
            print(
                "{" + figures.map { "\"\($0.name)\":\(text($0.value))" }.joined(separator: ",")
                    + "}")
        } else {
            for figure in figures { print("\(figure.name): \(text(figure.value)) \(figure.unit)") }
        }
    }

    /// Three digits after the point, and none for a whole number.
    static func text(_ value: Double) -> String {
        if value == value.rounded() && abs(value) < 1e15 { return String(Int64(value)) }
        return String((value * 1000).rounded() / 1000)
    }

    /// Runs `body` and gives its result with the milliseconds it took.
    static func timed<Result>(_ body: () -> Result) -> (result: Result, milliseconds: Double) {
        let clock = ContinuousClock()
        let start = clock.now
        let result = body()
        let took = (clock.now - start).components
        return (result, Double(took.seconds) * 1e3 + Double(took.attoseconds) / 1e15)
    }

    /// Says on standard error what can be measured, and gives the exit code for it.
    static func usage() -> Int32 {
        let text = """
            usage: meshproof-bench resolve NODES [--runs N] [--json]
                   meshproof-bench topology NODES
                   meshproof-bench wireguard generate PEERS [changed]
                   meshproof-bench wireguard set|sync INTERFACE FILE
                   meshproof-bench tunnel forward SERVER USER IDENTITY ENTRANCE TARGET HOSTKEY-FILE
                   meshproof-bench tunnel serve ADDRESS
                   meshproof-bench tunnel up|down ADDRESS BYTES STREAMS
                   meshproof-bench tunnel rtt|hold ADDRESS COUNT
                   meshproof-bench witness capture OWN OTHER
                   meshproof-bench witness examine BYTES COUNT
                   meshproof-bench witness flood ADDRESS BYTES SECONDS

            """
        try? IO.writeAll(2, Array(text.utf8))
        return 64
    }

    static func exit(_ code: Int32) -> Never { Glibc.exit(code) }
}
