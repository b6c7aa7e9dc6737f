import Glibc
import LinuxSystem

/// What makes the machine's files the host's own: private /run, overlays over what a machine writes to, own /sys.
enum HostMounts {
    /// What a machine keeps its own state in. Reads fall through to the machine, writes stay in the lab's memory.
    private static let overlaid = [
        "/etc", "/var/lib", "/var/log", "/var/tmp", "/usr/local", "/root", "/home", "/tmp",
    ]

    /// Builds everything; the notes say what is not as it should be.
    static func build(_ spec: HostSpec, folder: String) throws(LabError) -> [String] {
        var notes: [String] = []
        do throws(SystemError) {
            for target in overlaid where Files.isFolder(target) {
                try overlay(target, folder: folder, notes: &notes)
            }
            try bindHostsFile(LabNames(mesh: spec.mesh).hostsFile, folder: folder)
            try hideOperator()
            try takeRun(spec, folder: folder)
            try Mounts.attach("sysfs", at: "/sys", type: "sysfs", flags: 0)
            if Files.isFolder("/dev/shm") {
                try Mounts.attach("tmpfs", at: "/dev/shm", type: "tmpfs", options: "mode=1777")
            }
            try check("sethostname", spec.node) { sethostname(spec.node, spec.node.utf8.count) }
            try Files.replace("/etc/hostname", with: "\(spec.node)\n".utf8, mode: 0o644)
            try Files.replace(
                "/etc/nsswitch.conf", with: NameLookup.configuration().utf8, mode: 0o644)
            try Files.replace("/etc/machine-id", with: machineID(spec).utf8, mode: 0o444)
        } catch {
            throw LabError(error)
        }
        if access("/dev/net/tun", F_OK) != 0 {
            notes.append("no /dev/net/tun: the userspace WireGuard cannot run here")
        }
        return notes
    }

    private static func overlay(
        _ target: String, folder: String, notes: inout [String]
    ) throws(SystemError) {
        let slug = target.dropFirst().map { $0 == "/" ? "-" : $0 }
        let upper = "\(folder)/upper/\(String(slug))"
        let work = "\(folder)/overlay-work/\(String(slug))"
        try Files.makeFolder(upper)
        try Files.makeFolder(work)
        // The overlay's root shows the upper folder's owner and mode.
        var info = stat()
        try check("stat", target) { stat(target, &info) }
        try check("chown", upper) { chown(upper, info.st_uid, info.st_gid) }
        try check("chmod", upper) { chmod(upper, info.st_mode & 0o7777) }
        do {
            try Mounts.attach(
                "overlay", at: target, type: "overlay",
                options: "lowerdir=\(target),upperdir=\(upper),workdir=\(work)")
        } catch {
            try replace(target, with: upper)
            notes.append(
                "\(target) is \(target == "/etc" ? "a copy" : "empty"), no overlay: \(error)")
        }
    }

    /// Without overlays: /etc is copied, since programs need it; the rest starts empty.
    private static func replace(_ target: String, with upper: String) throws(SystemError) {
        var place = target
        if target == "/etc" {
            let copied = try Child.run(["cp", "-a", "--one-file-system", "/etc/.", upper])
            if !copied.status.isSuccess {
                throw SystemError("copy", target, errno: 0, detail: copied.errorText)
            }
        } else if target == "/usr/local" {
            // The machine's own programmes may be here; only what `up` installs into is replaced.
            place = "/usr/local/lib"
        }
        if Files.isFolder(place) { try Mounts.bind(upper, at: place) }
    }

    /// A copy of the lab's file, which `lab up` keeps up to date, and into which the host's agent writes as well.
    private static func bindHostsFile(
        _ lab: String, folder: String
    ) throws(SystemError) {
        let source = LabNames.hostsFile(ofHostIn: folder)
        try Files.replace(source, with: try Files.read(lab), mode: 0o644)
        if !Files.exists("/etc/hosts") { try Files.replace("/etc/hosts", with: [], mode: 0o644) }
        try Mounts.bind(source, at: "/etc/hosts")
    }

    /// What shells and SSH read in a home: the operator's would run at each login, and could print into a protocol.
    private static let personal = [
        ".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_logout", ".zshenv", ".zshrc",
        ".zprofile", ".kshrc", ".ssh",
    ]

    /// A new machine has neither the operator's SSH keys nor his shell's settings.
    ///
    /// Only the overlay's view of them goes, so nothing is touched where a home is not the lab's own by now.
    private static func hideOperator() throws(SystemError) {
        guard Mounts.isMounted("/root") else { return }
        for name in personal { try Files.removeTree("/root/\(name)") }
        try Files.makeFolder("/root/.ssh")
        guard Mounts.isMounted("/home") else { return }
        for user in try Files.list("/home") where Files.isFolder("/home/\(user)") {
            for name in personal { try Files.removeTree("/home/\(user)/\(name)") }
        }
    }

    /// Makes /run the host's own, and lets go of every mount that was below the machine's.
    ///
    /// Otherwise this mount namespace would keep other labs' namespaces and memory alive after their end.
    private static func takeRun(_ spec: HostSpec, folder: String) throws(SystemError) {
        let run = "\(folder)/run"
        for (name, mode) in [("lock", 0o1777), ("sshd", 0o755), ("user", 0o755)]
            as [(String, UInt32)]
        {
            try Files.makeFolder("\(run)/\(name)", mode: mode)
            try check("chmod", name) { chmod("\(run)/\(name)", mode) }
        }
        let names = LabNames(mesh: spec.mesh)
        // A bind over /tmp's own folder: it must be reachable while everything below /run is taken away.
        let staging = "/tmp/.meshproof-lab-run"
        try Files.makeFolder(staging)
        try Mounts.bind(run, at: staging)
        if spec.isLocal {
            for shared in [names.ssh, names.state] {
                let place = staging + shared.dropFirst("/run".count)
                try Files.makeFolder(place)
                try Mounts.bind(shared, at: place)
            }
        }
        for point in Mounts.below("/run") where point != "/run" { Mounts.detach(point) }
        try Mounts.attach(staging, at: "/run", flags: MS_MOVE)
        try check("rmdir", staging) { rmdir(staging) }
    }

    /// 32 hexadecimal digits, as `machine-id(5)` wants, the same each time for the same host.
    private static func machineID(_ spec: HostSpec) -> String {
        let digits = ["a", "b"].map { salt in
            let text = String(LabNames.hash("\(salt) \(spec.mesh) \(spec.node)"), radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return digits.joined() + "\n"
    }
}
