import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Testing

@Suite(
    "Five nodes rotate all their keys while every peering and every tunnel is in use", .serialized,
    .enabled(if: LabConditions.isRoot))
struct RotationFleetTests {
    /// How often it is done, one time after the other on the same mesh. `MESHPROOF_ROTATIONS=10` is for a long evening.
    private static var rounds: Int {
        getenv("MESHPROOF_ROTATIONS").flatMap { Int(String(cString: $0)) } ?? 1
    }
    private static let marker = "mpclearmarker"

    /// What goes on meanwhile: seconds between two pings, connections in each tunnel, and seconds between two blocks on
    /// each. An emulated kernel gets less, unless `MESHPROOF_LOAD=PING,CONNECTIONS,PAUSE` says otherwise.
    private static let load: (ping: String, connections: Int, pause: String) = {
        let words = getenv("MESHPROOF_LOAD").map { String(cString: $0).split(separator: ",") } ?? []
        if words.count == 3, let count = Int(words[1]) {
            return (String(words[0]), count, String(words[2]))
        }
        return LabConditions.isUnderEmulation ? ("0.5", 5, "1") : ("0.005", 50, "0.1")
    }()

    @Test("no packet is lost, no connection is cut, nothing is in clear, and every key is another")
    func everything() throws {
        let fleet = try FleetLab("tfleet")
        for host in fleet.world.hosts {
            try fleet.world.shell(host, "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter")
        }
        for round in 0..<Self.rounds { try rotate(fleet, round) }
    }

    private func rotate(_ fleet: FleetLab, _ round: Int) throws {
        let world = fleet.world
        let lab = world.lab
        let connections = Self.load.connections
        let before = try world.hosts.map(world.keys)
        let receipt = try carriers(lab)
        let oracle = try BridgeOracle(world)
        let pings = try ping(fleet)
        let streams = try FleetLab.pairs.map { pair in
            try talk(lab, pair.from, port: 7001, 1, at: pair.address)
        }
        let tunnelled = try FleetLab.tunnels.map { tunnel in
            try talk(lab, tunnel.from, port: tunnel.port, connections, at: "127.0.0.1")
        }
        for program in streams + tunnelled { #expect(try program.saw("open", within: 120)) }

        let rotation = try RotateProcess(lab)
        #expect(try rotation.saw(.move), "round \(round): \(rotation.text)")
        #expect(
            try LabMesh.wait(60) {
                try lab.status().report.tunnels.allSatisfy {
                    $0.observed?.draining == connections
                }
            }, "round \(round): every open connection keeps its session")
        for program in tunnelled { try program.say("end") }
        for program in tunnelled {
            #expect(try program.result(within: 120).outcomes == ["whole": connections])
        }
        let end = try rotation.end()
        #expect(end.isGood, "round \(round): \(end.text)")

        Clocks.sleep(0.5)
        try expectWhole(fleet, pings, round, "rotated until \(Clocks.wall()): \(end.text)")
        for program in streams { try program.say("end") }
        for program in streams {
            #expect(try program.result(within: 120).outcomes == ["whole": 1])
        }
        let clear = try oracle.clear(of: Self.marker)
        #expect(clear.lines == [], "round \(round): what is none of the mesh's crossed the bridge")
        #expect(clear.frames == 0, "round \(round): the pings' text crossed the bridge")
        for (host, old) in zip(world.hosts, before) {
            let new = try world.keys(host)
            #expect(new.count == old.count && new.isDisjoint(with: old), "round \(round), \(host)")
            let left = try world.traces(
                host, wireguard: round % 10, ssh: round % 10, port: 51820 + round % 2)
            #expect(left == "", "round \(round), \(host): \(left)")
        }
        #expect(try lab.plan().status == .code(0))
        let now = try carriers(lab)
        #expect(now.count == receipt.count && now.isDisjoint(with: receipt), "what verify names")
        #expect(!now.isEmpty || LabConditions.isUnderEmulation)
    }

    private func talk(
        _ lab: LabMesh, _ host: String, port: Int, _ count: Int, at address: String
    ) throws -> Background {
        try Background(
            lab, host, "/usr/bin/python3", Traffic.program, "talk", "\(port)", "\(count)", address,
            Self.load.pause)
    }

    private func ping(_ fleet: FleetLab) throws -> [Background] {
        let interval = Self.load.ping
        let pattern = Base64.hex(Array(Self.marker.utf8))
        return try FleetLab.pairs.map { pair in
            try Background(
                fleet.world.lab, pair.from, "sh", "-c",
                "exec ping -D -i \(interval) -p \(pattern) \(pair.address) > /run/ping-\(pair.to).log"
            )
        }
    }

    /// A request that was under way when ping was ended is no loss: what counts is that no number is missing.
    private func expectWhole(
        _ fleet: FleetLab, _ pings: [Background], _ round: Int, _ rotation: String
    ) throws {
        for host in FleetLab.names.dropLast() {
            _ = try fleet.world.lab.on(host, "pkill", "-INT", "ping")
        }
        for pair in FleetLab.pairs {
            let seen = try fleet.world.shell(
                pair.from,
                "sed -n 's/.*icmp_seq=\\([0-9]*\\).*/\\1/p' /run/ping-\(pair.to).log | sort -nu | "
                    + "awk 'END {print NR, $1}'"
            ).split(separator: " ").compactMap { Int($0) }
            let gaps = try fleet.world.shell(
                pair.from,
                "sed -n 's/^.\\([0-9]*[.][0-9]*\\).*icmp_seq=\\([0-9]*\\).*/\\2 \\1/p' /run/ping-\(pair.to).log | sort -n | "
                    + "awk 'NR > 1 && $1 > n + 1 {print n \" to \" $1 \" after \" t} {n = $1; t = $2}'"
            )
            #expect(
                seen.count == 2 && seen[0] == seen[1] && seen[0] > 50,
                "round \(round), \(pair.from) to \(pair.to): \(seen); none between \(gaps); \(rotation)"
            )
        }
        for ping in pings { ping.end() }
    }

    /// `verify` passes; the keys that it says carry the edges. The emulated kernel takes minutes for it, and it proves
    /// nothing there that the other suites do not.
    private func carriers(_ lab: LabMesh) throws -> Set<String> {
        if LabConditions.isUnderEmulation { return [] }
        let result = try lab.meshproof("--lab", "verify", "--json")
        #expect(result.status == .code(0), "\(result.text) \(result.errorText)")
        let words = result.text.split { !($0.isLetter || $0.isNumber || "+/=".contains($0)) }
        return Set(words.map(String.init).filter { $0.hasSuffix("=") && $0.count == 44 })
    }
}
