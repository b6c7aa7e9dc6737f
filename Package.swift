// swift-tools-version: 6.2
import PackageDescription

/// The same for every Swift target: complete checking, and no warning survives.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let package = Package(
    name: "meshproof",
    products: [.executable(name: "meshproof", targets: ["meshproof"])],
    targets: [
        // System libraries, each a Debian package that scripts/setup installs.
        .systemLibrary(name: "CMnl", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .systemLibrary(
            name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CSSH", pkgConfig: "libssh", providers: [.apt(["libssh-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

        // The Linux calls Swift cannot import, and a thin typed layer over them.
        .target(name: "CLinux"),
        module("LinuxSystem", ["CLinux"]),
        // Replaces poll, recv and send for the sockets of tunnels; see its header.
        .target(name: "CReadAhead"),

        // Pure: values and decisions, no input or output.
        module("MeshModel", []),

        // Adapters: each talks to one thing outside.
        module("Netlink", ["CMnl", "CLinux", "LinuxSystem", "MeshModel"]),
        module("WireGuard", ["Netlink", "CSodium", "CLinux", "LinuxSystem", "MeshModel"]),
        module("PacketFilter", ["MeshModel"]),
        module("Secrets", ["CSodium", "LinuxSystem", "MeshModel"]),
        module("TopologyFile", ["CYAML", "MeshModel"]),
        module("StateStore", ["CSQLite", "LinuxSystem", "MeshModel"]),
        module("SSHTunnel", ["CSSH", "CReadAhead", "CLinux", "LinuxSystem", "MeshModel"]),
        module("NodeProtocol", ["MeshModel"]),
        module("WireWitness", ["CLinux", "LinuxSystem", "MeshModel"]),
        module(
            "ServiceProbe",
            [
                "COpenSSL", "SSHTunnel", "NodeProtocol", "CLinux", "LinuxSystem", "MeshModel",
            ]),
        module("PeerFiles", ["MeshModel"]),
        module("JoinChannel", ["COpenSSL", "CLinux", "LinuxSystem", "MeshModel"]),

        // The three programs that live in the one binary.
        module(
            "MeshNode",
            [
                "Netlink", "WireGuard", "PacketFilter", "Secrets", "SSHTunnel", "NodeProtocol",
                "ServiceProbe", "WireWitness", "JoinChannel", "CLinux", "LinuxSystem", "MeshModel",
            ]),
        module(
            "MeshController",
            [
                "SSHTunnel", "ServiceProbe", "StateStore", "Secrets", "TopologyFile",
                "NodeProtocol", "PeerFiles", "JoinChannel", "CLinux", "LinuxSystem", "MeshModel",
            ]),
        module("MeshLab", ["TopologyFile", "Secrets", "CLinux", "LinuxSystem", "MeshModel"]),
        module(
            "MeshCLI",
            [
                "MeshController", "MeshNode", "MeshLab", "TopologyFile", "NodeProtocol", "Secrets",
                "StateStore", "PeerFiles",
                "CLinux", "LinuxSystem", "MeshModel",
            ]),
        .executableTarget(name: "meshproof", dependencies: ["MeshCLI"], swiftSettings: settings),

        // Measures against the tools one would use instead; see scripts/bench.
        .executableTarget(
            name: "meshproof-bench",
            dependencies: [
                "MeshModel", "TopologyFile", "Netlink", "WireGuard", "Secrets", "SSHTunnel",
                "WireWitness", "LinuxSystem", "CLinux",
            ],
            swiftSettings: settings),

        // What several test targets share; no part of the product.
        .target(
            name: "TestSupport", dependencies: ["Netlink", "MeshModel"], path: "Tests/TestSupport",
            swiftSettings: settings),
        tests("MeshModelTests", ["TestSupport", "MeshModel"]),
        tests("LinuxSystemTests", ["LinuxSystem"]),
        tests("NetlinkTests", ["TestSupport", "Netlink", "LinuxSystem", "MeshModel"]),
        tests(
            "WireGuardTests", ["TestSupport", "WireGuard", "Netlink", "LinuxSystem", "MeshModel"]),
        tests("PacketFilterTests", ["PacketFilter", "LinuxSystem", "MeshModel"]),
        tests("SecretsTests", ["TestSupport", "Secrets", "LinuxSystem", "MeshModel"]),
        tests("TopologyFileTests", ["TestSupport", "TopologyFile", "MeshModel"]),
        tests("StateStoreTests", ["TestSupport", "StateStore", "LinuxSystem", "MeshModel"]),
        tests(
            "SSHTunnelTests",
            [
                "TestSupport", "SSHTunnel", "CReadAhead", "CSSH", "CLinux", "LinuxSystem",
                "MeshModel",
            ]),
        tests("WireWitnessTests", ["TestSupport", "WireWitness", "MeshModel"]),
        tests(
            "ServiceProbeTests",
            ["TestSupport", "ServiceProbe", "SSHTunnel", "CLinux", "LinuxSystem", "MeshModel"]),
        tests(
            "JoinChannelTests",
            ["TestSupport", "JoinChannel", "COpenSSL", "CLinux", "LinuxSystem", "MeshModel"]),
        tests("PeerFilesTests", ["PeerFiles", "TopologyFile", "LinuxSystem", "MeshModel"]),
        tests("NodeProtocolTests", ["TestSupport", "NodeProtocol", "MeshModel"]),
        tests(
            "MeshNodeTests",
            [
                "TestSupport", "MeshNode", "Netlink", "WireGuard", "Secrets", "SSHTunnel",
                "NodeProtocol", "JoinChannel", "CLinux", "LinuxSystem", "MeshModel",
            ]),
        tests(
            "MeshControllerTests",
            [
                "TestSupport", "MeshController", "StateStore", "Secrets", "NodeProtocol",
                "TopologyFile", "PeerFiles", "JoinChannel",
                "LinuxSystem", "MeshModel",
            ]),
        tests(
            "MeshCLITests",
            [
                "TestSupport", "MeshCLI", "MeshController", "NodeProtocol", "Secrets",
                "LinuxSystem",
                "MeshModel",
            ]),
        // Root, namespaces and a kernel with WireGuard (or wireguard-go); see scripts/test.
        tests(
            "LabTests",
            [
                "TestSupport", "MeshLab", "MeshController", "MeshNode", "Netlink", "WireGuard",
                "PacketFilter", "Secrets", "ServiceProbe", "SSHTunnel", "NodeProtocol",
                "TopologyFile", "WireWitness", "PeerFiles", "CLinux",
                "LinuxSystem", "MeshModel",
            ],
            exclude: [
                "Support/traffic.py", "Support/forward.py", "Support/impostor.py",
                "Support/relay.py",
            ]),
    ]
)
