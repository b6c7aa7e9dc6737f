import Glibc
import MeshCLI

// A crash must not print memory, in which keys may be.
setenv("SWIFT_BACKTRACE", "enable=no", 1)
exit(MeshCLI.run(Array(CommandLine.arguments.dropFirst())))
