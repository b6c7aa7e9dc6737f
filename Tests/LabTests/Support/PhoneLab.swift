import LinuxSystem
import MeshController
import Testing

/// A mesh with a service on its second node, and one more host that is in no topology: the phone.
struct PhoneLab {
    let lab: LabMesh

    init(_ mesh: String, nodes: [String], peering: String = "paths") throws {
        let tail = """
            services:
              web:    { on: \(nodes[1]), kind: http, port: 8080 }
              secret: { on: \(nodes[1]), kind: http, port: 8090 }
            paths:
              chat:
                edges:

            """
            + nodes.filter { $0 != nodes[1] }.map { "      - \($0) -> web: wireguard\n" }.joined()
        lab = try LabMesh(mesh, hosts: nodes + ["pad"], tail: tail, peering: peering)
        try lab.drop("pad", tail: tail, peering: peering)
        try lab.up()
    }

    /// A `peer` command, which must succeed.
    @discardableResult
    func peer(_ arguments: String...) throws -> CommandResult {
        let result = try Child.run(lab.command(["--lab", "peer"] + arguments), timeout: 240)
        try #require(result.status.isSuccess, "\(arguments): \(result.errorText)\(result.text)")
        return result
    }

    /// Stock wg-quick, and nothing but the configuration.
    func connectPhone(_ configuration: String) throws {
        let up = try lab.on(
            "pad", input: configuration,
            "mkdir -p /etc/wireguard && umask 077 && cat >/etc/wireguard/phone.conf && wg-quick up phone 2>&1"
        )
        try #require(up.status.isSuccess, "wg-quick: \(up.text)\(up.errorText)")
    }

    func reaches(_ place: String) throws -> Bool {
        try lab.on(
            "pad", "curl", "-gsS", "-o", "/dev/null", "--connect-timeout",
            LabConditions.isUnderEmulation ? "10" : "4", "http://\(place)/"
        ).status.isSuccess
    }

    func connects(_ address: String, port: Int) throws -> Bool {
        try lab.on(
            "pad", "bash", "-c", "timeout 3 bash -c '</dev/tcp/\(address)/\(port)'"
        ).status.isSuccess
    }
}
