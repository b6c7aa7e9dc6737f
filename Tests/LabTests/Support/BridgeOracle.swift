import LinuxSystem
import MeshModel
import Testing

/// What crosses the lab's bridge and is none of the shapes that a mesh may have there.
///
/// Frames are judged by nothing of ours: tcpdump leaves out WireGuard's ports, the management's and the tunnels' SSH, and
/// the neighbours' questions. A second tcpdump keeps the beginning of every frame, for a text to be looked for.
final class BridgeOracle {
    private let strange: Background
    private let all: Background
    private let file: String
    private let world: RotationLab

    init(_ world: RotationLab, ports: ClosedRange<Int> = 51820...51821, server: Int = 51822) throws
    {
        self.world = world
        file = "\(world.lab.folder)/bridge.pcap"
        strange = try Background(
            world.lab, "lan", "sh", "-c",
            "exec tcpdump -i any -n -l --immediate-mode 'not (udp portrange \(ports.lowerBound)-\(ports.upperBound)) "
                + "and not (tcp port 22 or tcp port \(server)) and not arp and not icmp6' 2>&1")
        all = try Background(
            world.lab, "lan", "sh", "-c",
            "exec tcpdump -Z root -i any -n -s 300 -B 65536 -U -w \(file) 2>&1")
        try #require(try strange.saw("listening on", within: 60))
        try #require(try all.saw("listening on", within: 60))
    }

    /// The frames that were none of the mesh's, a line each, and how many hold a ping's text `marker`.
    ///
    /// A ping in clear, with a text of its own, shows first that both would be seen.
    func clear(of marker: String) throws -> (lines: [String], frames: Int) {
        let control = "oracle-control"
        let pattern = Base64.hex(Array(control.utf8))
        let request = "198.51.100.11 > 198.51.100.12: ICMP echo request"
        try world.shell("ant", "ping -c 1 -p \(pattern) 198.51.100.12")
        #expect(try strange.saw(request, within: 20), "the control: the oracle sees nothing")
        let lines = strange.text.split(separator: "\n").map(String.init).filter {
            $0.contains(" IP") && !$0.contains(request)
                && !$0.contains("198.51.100.12 > 198.51.100.11: ICMP echo reply")
        }
        let isKept = try LabMesh.wait(30) { try count(control) > 0 }
        all.end()
        #expect(isKept, "the control is not in the capture: \(all.text)")
        return (lines, try count(marker))
    }

    /// How many lines of the capture hold a text.
    private func count(_ text: String) throws -> Int {
        let result = try Child.run(["grep", "-c", "-a", "-F", text, file], timeout: 120)
        return Int(result.text.filter(\.isNumber)) ?? -1
    }
}
