import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Testing

@Suite(
    "Whatever is killed while keys are rotated, one command ends it", .serialized,
    .enabled(if: LabConditions.isRoot))
struct RotationKilledTests {
    /// Whether every host is killed at every moment, and every step both resumed and taken back: minutes, not one.
    private static let isThorough = getenv("MESHPROOF_THOROUGH") != nil

    /// A moment in an agent's part of a rotation, told by what it leaves on the disk or in the kernel.
    struct Moment: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// A shell condition in the mesh's state folder, with `$from` and `$to` for the sets and `$mesh` for the mesh.
        let condition: String

        init(_ name: String, _ condition: String) {
            testDescription = name
            self.condition = condition
        }
    }

    /// All of them, in their order.
    private static let moments = [
        Moment("it has made its new keys", "[ -e keys/ssh-client-$to.key ]"),
        Moment("it has taken in the first document", "[ -e staged.json ]"),
        Moment("it begins to apply it", "[ -e unconfirmed.json ]"),
        Moment("both interfaces stand", "[ -e /sys/class/net/mp$to-$mesh ]"),
        Moment(
            "the document with both is in force",
            "[ -e /sys/class/net/mp$to-$mesh ] && [ ! -e unconfirmed.json ] && [ ! -e staged.json ]"
        ),
        Moment("routes go by the new one", "ip route show table all | grep -q \"dev mp$to-$mesh\""),
        Moment("the old interface is gone", "[ ! -e /sys/class/net/mp$from-$mesh ]"),
        Moment("the old keys are wiped", "[ ! -e keys/wg-$from.key ]"),
    ]

    @Test("an agent may be killed at each of its steps")
    func agent() throws {
        let world = try RotationLab("trotagent")
        var inUse = 0
        var number = 0
        for moment in Self.moments {
            let hosts = Self.isThorough ? world.hosts : [world.hosts[number % world.hosts.count]]
            for host in hosts {
                let next = KeyGenerations.next(after: inUse)
                let assassin = try Background(
                    world.lab, host, "bash", "-c",
                    """
                    cd /var/lib/meshproof/trotagent; mesh=trotagent from=\(inUse) to=\(next)
                    pid=$(pgrep -f '[n]ode agent') && echo ready; until \(moment.condition); do :; done
                    kill -9 $pid && echo killed
                    """)
                #expect(try assassin.saw("ready", within: 30))
                let rotate = try RotateProcess(world.lab)
                let end = try rotate.end()
                #expect(
                    try assassin.saw("killed", within: 0.5), "\(host), \(moment): \(assassin.text)")
                #expect(try world.pings(), "\(host), \(moment)")
                var isBack = false
                if !end.isGood {
                    isBack =
                        number.isMultiple(of: 2)
                        && !end.text.contains(RotationStep.rest.summary)
                    let last = try world.rotate(isBack ? "--abort" : "--resume")
                    #expect(
                        last.isGood, "\(host), \(moment): \(last.error ?? "") after \(end.text)")
                }
                if !isBack { inUse = next }
                try expectSettled(
                    world, over: isBack ? next : (inUse + 9) % 10, "\(host), \(moment)")
                number += 1
            }
        }
    }

    @Test("the controller may be killed after each step: the rotation goes on, or back")
    func controller() throws {
        let world = try RotationLab("trotkill", hosts: ["ant", "bee"])
        var inUse = 0
        for step in RotationStep.forward {
            let canGoBack = ![.retire, .sweep, .finish].contains(step)
            let ways =
                Self.isThorough
                ? (canGoBack ? [true, false] : [false])
                : [[.prepare, .handshake, .move].contains(step)]
            for wantsBack in ways {
                var isBack = wantsBack
                let rotate = try RotateProcess(world.lab)
                #expect(try rotate.saw(step), "\(rotate.text)")
                try rotate.kill()
                let label = "killed after \(step), \(isBack ? "back" : "on")"
                let next = KeyGenerations.next(after: inUse)
                let status = try world.lab.meshproof("--lab", "status").text
                let isOpen = status.contains("rotation")
                // It may have begun to wipe before it could be killed.
                if step == .rest && !status.contains("--abort") { isBack = false }
                // Between the sweep's end and that of the whole lies less time than it takes to kill somebody.
                #expect(isOpen || [.sweep, .finish].contains(step), "\(label): \(status)")
                if isOpen {
                    let refused = try world.lab.meshproof("--lab", "up")
                    #expect(refused.status == .code(1))
                    #expect(refused.errorText.contains("--resume"), "\(refused.errorText)")
                    #expect(try world.pings(), "\(label)")
                    if step == .beside || step == .move { try expectVerified(world, label) }
                    let end = try world.rotate(isBack ? "--abort" : "--resume")
                    #expect(end.isGood, "\(label): \(end.error ?? "")")
                }
                if !isBack { inUse = next }
                try expectSettled(world, over: isBack ? next : (inUse + 9) % 10, label)
            }
        }
    }

    /// One set is in use, nothing of the other is left, and the edges are encrypted.
    private func expectSettled(_ world: RotationLab, over: Int, _ label: String) throws {
        for host in world.hosts {
            // Both sets are counted in step here.
            let left = try world.traces(
                host, wireguard: over, ssh: over, port: 51820 + over % 2)
            #expect(left == "", "\(label), \(host): \(left)")
        }
        #expect(try world.pings(), "\(label)")
        #expect(try LabMesh.wait(30) { try world.lab.plan().status == .code(0) }, "\(label)")
        try expectVerified(world, label)
    }

    /// Takes minutes where every instruction is emulated, and says nothing there that it does not say here.
    private func expectVerified(_ world: RotationLab, _ label: String) throws {
        if LabConditions.isUnderEmulation { return }
        let verify = try world.lab.meshproof("--lab", "verify", "--no-receipt")
        #expect(verify.status == .code(0), "\(label): \(verify.text) \(verify.errorText)")
    }
}
