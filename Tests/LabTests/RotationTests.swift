import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Testing

@Suite(
    "Keys are rotated under traffic", .serialized,
    .enabled(if: LabConditions.isRoot))
struct RotationTests {
    private static let pairs = [
        ("ant", "10.88.0.2"), ("ant", "fd88::3"), ("bee", "10.88.0.3"), ("owl", "10.88.0.1"),
    ]

    @Test(
        "no packet is lost, no connection is cut, every key is another, and the old ones open nothing"
    )
    func underTraffic() throws {
        let world = try RotationLab("trot")
        let lab = world.lab
        let before = try world.hosts.map(world.keys)
        for host in world.hosts {
            // What a thief would have taken.
            try world.shell(
                host, "mkdir -m 700 /root/old; cp -r /var/lib/meshproof/trot/* /root/old/")
        }
        for host in world.hosts {
            // Packets that come by another interface than answers would leave by are dropped, unless somebody sees to it.
            try world.shell(host, "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter")
        }
        let (interval, count) = LabConditions.isUnderEmulation ? ("0.2", 5) : ("0.005", 50)
        let pings = try Self.pairs.enumerated().map { number, pair in
            try Background(
                lab, pair.0, "sh", "-c",
                "exec ping -i \(interval) \(pair.1) > /run/ping-\(number).log")
        }
        let stream = try Background(
            lab, "ant", "/usr/bin/python3", Traffic.program, "talk", "7001", "4", "10.88.0.2")
        let tunnelled = try Background(
            lab, "ant", "/usr/bin/python3", Traffic.program, "talk", "7000", "\(count)")
        #expect(try stream.saw("open", within: 120) && tunnelled.saw("open", within: 120))

        let rotate = try RotateProcess(lab)
        #expect(try rotate.saw(.move), "\(rotate.text)")
        // The old session is waited for as long as its connections are used.
        #expect(
            try LabMesh.wait(60) {
                try lab.status().report.tunnels.first?.observed?.draining == count
            })
        #expect(try Traffic.knock(lab, "ant", port: "7000", count: 3) == 3)
        try tunnelled.say("end")
        #expect(try tunnelled.result(within: 120).outcomes == ["whole": count])
        let end = try rotate.end()
        #expect(end.isGood, "\(end.text)")

        Clocks.sleep(0.5)
        for host in world.hosts { _ = try lab.on(host, "pkill", "-INT", "ping") }
        for (number, pair) in Self.pairs.enumerated() {
            // A request that was under way when ping was ended is no loss: what counts is that no number is missing.
            let seen = try world.shell(
                pair.0,
                "sed -n 's/.*icmp_seq=\\([0-9]*\\).*/\\1/p' /run/ping-\(number).log | sort -nu | "
                    + "awk 'END {print NR, $1}'"
            ).split(separator: " ").compactMap { Int($0) }
            #expect(seen.count == 2 && seen[0] == seen[1] && seen[0] > 50, "\(pair): \(seen)")
        }
        for ping in pings { ping.end() }
        try stream.say("end")
        #expect(try stream.result(within: 120).outcomes == ["whole": 4])

        for (host, old) in zip(world.hosts, before) {
            let new = try world.keys(host)
            #expect(new.count == old.count && new.isDisjoint(with: old))
            #expect(try world.traces(host, wireguard: 0, ssh: 0, port: 51820) == "")
        }
        #expect(try lab.plan().status == .code(0))
        if !LabConditions.isUnderEmulation {
            // The emulated kernel cannot list its sockets, so nothing is proven there.
            let verify = try lab.meshproof("--lab", "verify", "--no-receipt")
            #expect(verify.status == .code(0), "\(verify.text) \(verify.errorText)")
        }
        try expectRefused(world)
    }

    /// The old keys, from the machine that they were of, open neither the mesh nor the tunnel; the new ones do.
    private func expectRefused(_ world: RotationLab) throws {
        let login =
            "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -N -p 51822 mp-trot@198.51.100.12"
        let now = "/var/lib/meshproof/trot"
        let old = try world.lab.on(
            "ant", "sh", "-c", "timeout 60 ssh -i /root/old/keys/ssh-client-0.key \(login)")
        #expect(old.errorText.contains("Permission denied"), "\(old.errorText)")
        let new = try world.lab.on(
            "ant", "sh", "-c",
            "timeout \(LabConditions.isUnderEmulation ? 40 : 3) ssh -i \(now)/keys/ssh-client-1.key \(login)"
        )
        #expect(new.status == .code(124), "the control: \(new.errorText)")

        let isKernel = try !world.shell("ant", "ls /run/wireguard 2>/dev/null || true")
            .contains(".sock")
        let make = isKernel ? "ip link add thief type wireguard" : "wireguard-go thief"
        let peers = try world.shell("bee", "wg show mp1-trot public-key").split(separator: "\n")
        let key = try #require(peers.first)
        func tries(_ folder: String, _ generation: Int) throws -> Bool {
            let handshake = try world.shell(
                "ant",
                """
                for psk in \(folder)/psk/*.key; do
                  \(make) >/dev/null 2>&1
                  wg set thief private-key \(folder)/keys/wg-\(generation).key peer \(key) preshared-key $psk \
                    endpoint 198.51.100.12:51821 allowed-ips 10.99.0.0/24 persistent-keepalive 1
                  ip link set thief up; sleep \(LabConditions.isUnderEmulation ? 8 : 3); wg show thief latest-handshakes | awk '{print $2}'
                  ip link del thief; sleep 0.5
                done
                """)
            return handshake.split(separator: "\n").contains { $0 != "0" }
        }
        #expect(try !tries("/root/old", 0), "the old key shakes hands")
        #expect(try tries(now, 1), "the control: the new key does")
    }

    @Test("the search for what is left finds each thing that was put there")
    func sweeps() throws {
        let world = try RotationLab("trotsweep", hosts: ["ant", "bee"])
        let id = PresharedKeyID(rawValue: String(repeating: "ab", count: 16))
        func sweep(letIn: [PublicKey]) throws -> [String] {
            let command = RotationSweep(
                mesh: "trotsweep", port: 51820, wireguard: 7, ssh: 7, presharedKeys: [id],
                letIn: letIn
            ).command
            let result = try world.lab.on("bee", "sh", "-c", command)
            return try #require(RotationSweep.left(in: result.text), "\(result.errorText)")
        }
        let text = try world.shell(
            "ant", "ssh-keygen -y -f /var/lib/meshproof/trotsweep/keys/ssh-client-0.key")
        let key = try #require(PublicKey(openSSHText: text))
        #expect(try sweep(letIn: [key]) == [])
        #expect(try sweep(letIn: []) == ["authorised key \(key.openSSHText)"])
        try world.shell(
            "bee",
            """
            cd /var/lib/meshproof/trotsweep
            touch keys/wg-7.key keys/ssh-client-7.key keys/ssh-host-7.key psk/\(id.rawValue).key
            echo '# ssh-host-7.key' > /run/meshproof-tunnels/trotsweep/other
            ip link add mp7-trotsweep type veth peer name other7
            ip link set mp7-trotsweep up; ip link set other7 up
            ip route add 192.0.2.7 dev mp7-trotsweep
            """)
        let socket = try Background(
            world.lab, "bee", "/usr/bin/python3", "-c",
            "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',51821)); print('open',flush=True); sys.stdin.readline()"
        )
        #expect(try socket.saw("open", within: 60))
        let left = try sweep(letIn: [key])
        for word in [
            "keys/wg-7.key", "keys/ssh-client-7.key", "keys/ssh-host-7.key",
            "psk/\(id.rawValue).key", "interface mp7-trotsweep", "route 192.0.2.7",
            "UDP port 51821", "configuration /run/meshproof-tunnels/trotsweep/other",
        ] { #expect(left.contains { $0.contains(word) }, "\(word) in \(left)") }
        #expect(RotationSweep.left(in: "file x\n") == nil, "a search that was cut short")
    }
}
