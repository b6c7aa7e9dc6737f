/// `meshproof-bench NAME …`: one measure a name, each in its own file.
let arguments = Array(CommandLine.arguments.dropFirst())
let code: Int32
switch arguments.first {
case "resolve": code = ResolveBench.run(Array(arguments.dropFirst()))
case "topology": code = ResolveBench.printTopology(Array(arguments.dropFirst()))
case "wireguard": code = WireGuardBench.run(Array(arguments.dropFirst()))
case "tunnel": code = TunnelBench.run(Array(arguments.dropFirst()))
case "witness": code = WitnessBench.run(Array(arguments.dropFirst()))
default: code = BenchOutput.usage()
}
BenchOutput.exit(code)
