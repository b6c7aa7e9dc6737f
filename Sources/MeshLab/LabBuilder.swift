import CLinux
import Glibc
import LinuxSystem

/// Makes the machine have the lab that a plan describes.
struct LabBuilder {
    let plan: LabPlan
    let program: String
    let say: @Sendable (String) -> Void

    private var names: LabNames { plan.names }

    /// How many hosts are started at the same time: beyond the processors, more only wait for the kernel's network lock.
    private static let parallel = 16

    func build(timeout: Double) throws(LabError) {
        let isNew = !Mounts.isMounted(names.root)
        var made: [String] = []
        do throws(LabError) {
            try refuseConflicts()
            try makeRoot(isNew)
            let keys = LabKeys(plan: plan)
            try keys.make()
            let (missing, changed) = try clearWhatChanged()
            try writeHostsFiles()
            try store(Array(NameLookup.configuration().utf8), at: "\(names.root)/nsswitch")
            try LabLan(plan: plan).build()
            made = missing.map(\.node)
            try start(missing)
            try keys.publish()
            try awaitReady(timeout: timeout, new: Set(made + changed))
            if made.isEmpty && changed.isEmpty {
                say("nothing to do: \(plan.nodes.count) hosts are up")
            }
            for note in plan.notes { say("note: \(note)") }
        } catch {
            rollBack(made, wholly: isNew)
            throw error
        }
    }

    // MARK: What is there

    /// A namespace of this name may be another mesh's: `a-b` with node `c`, or `a` with node `b-c`.
    private func refuseConflicts() throws(LabError) {
        let wanted = Set((plan.nodes + [LabNames.lan]).map(names.namespace))
        for other in LabRemover.labs() where other != names.mesh {
            let theirs = LabNames(mesh: other)
            let nodes = ((try? Files.list(theirs.hosts)) ?? []) + [LabNames.lan]
            guard let clash = nodes.map(theirs.namespace).first(where: wanted.contains) else {
                continue
            }
            throw LabError(
                .conflict, "lab up", names.mesh,
                "the lab of \(other) already uses the name \(clash)",
                hint: "end that lab first, or rename the node")
        }
    }

    private func makeRoot(_ isNew: Bool) throws(LabError) {
        do throws(SystemError) {
            if isNew {
                // What a lost mount left behind has no memory and no hosts: it is in the way.
                try Files.removeTree(names.root)
                try Files.makeFolder(names.root)
                try Mounts.attach(
                    "meshproof-lab", at: names.root, type: "tmpfs",
                    flags: MS_NOSUID | MS_NODEV, options: "mode=700")
            }
            for folder in [names.ssh, names.state, names.hosts] { try Files.makeFolder(folder) }
            try Files.makeFolder("/run/netns", mode: 0o755)
            try Mounts.share("/run/netns")
        } catch {
            throw LabError(error)
        }
    }

    /// Ends hosts that are dead, changed or no longer wanted, tells the others of changed services, and gives those
    /// that are to be started.
    private func clearWhatChanged() throws(LabError) -> (missing: [LabPlan.Host], changed: [String])
    {
        let present = (try? Files.list(names.hosts)) ?? []
        let holders = Processes.lockHolders(present.map { "\(names.host($0))/lock" })
        var stale = present.filter { !plan.nodes.contains($0) }
        for node in stale { say("\(node): no longer in the topology, ending it") }
        var missing: [LabPlan.Host] = []
        var changed: [String] = []
        for host in plan.hosts {
            let folder = names.host(host.node)
            let pid = holders["\(folder)/lock"]
            let spec = (try? Files.read("\(folder)/spec.json"))
                .flatMap { LabJSON.decode(HostSpec.self, $0) }
            let isReady = HostReport.read(folder)?.state == .ready
            if let pid, let spec, isReady, host.spec.isSameMachine(as: spec) {
                if try keep(host, was: spec, pid: pid) { changed.append(host.node) }
                continue
            }
            if pid != nil, let spec, !host.spec.isSameMachine(as: spec) {
                say("\(host.node): its underlay has changed, building it anew")
            }
            if present.contains(host.node) && pid == nil {
                say("\(host.node): had died, building it anew")
            }
            stale.append(host.node)
            missing.append(host)
        }
        var removal = LabRemoval()
        LabRemover(names: names, nodes: plan.nodes).endHosts(stale, &removal)
        return (missing, changed)
    }

    /// Leaves a host alone but for its routes and services; true where the services have changed.
    private func keep(
        _ host: LabPlan.Host, was old: HostSpec, pid: Int32
    ) throws(LabError) -> Bool {
        try bindNamespace(host.node, pid: pid)
        if host.spec != old {
            try HostNetwork.reroute(from: old, to: host.spec)
            try store(try LabJSON.encode(host.spec), at: "\(names.host(host.node))/spec.json")
        }
        let path = "\(names.host(host.node))/run/lab/services.json"
        let bytes = try LabJSON.encode(host.services)
        let failed =
            HostReport.read(names.host(host.node))?.services
            .contains { $0.state == .failed } ?? false
        if (try? Files.read(path)) == bytes && !failed { return false }
        try store(bytes, at: path)
        let lock = "\(names.host(host.node))/lock"
        Processes.send(SIGHUP, to: pid) { Processes.lockHolders([lock])[lock] == $0 }
        say("\(host.node): its services have changed")
        return true
    }

    // MARK: Starting

    private func start(_ hosts: [LabPlan.Host]) throws(LabError) {
        let results: [LabError?]
        do {
            results = try fanOut(hosts, limit: LabBuilder.parallel, name: "lab-host") { host in
                do throws(LabError) {
                    try start(host)
                    return nil
                } catch {
                    return error
                }
            }
        } catch {
            throw LabError(error)
        }
        let failures = results.compactMap { $0 }
        guard let first = failures.first else { return }
        if failures.count == 1 { throw first }
        throw LabError(
            first.code, "start", "\(failures.count) hosts",
            failures.map(\.summary).joined(separator: "\n"), hint: first.hint)
    }

    private func start(_ host: LabPlan.Host) throws(LabError) {
        let began = Clocks.monotonic()
        let folder = names.host(host.node)
        try lay(host, in: folder)
        let reader = try launch(folder)
        try hear("locked", from: reader, host.node)
        guard let pid = Processes.lockHolders(["\(folder)/lock"])["\(folder)/lock"] else {
            throw died(host.node)
        }
        try bindNamespace(host.node, pid: pid)
        try hear("built", from: reader, host.node)
        let took = Int((Clocks.monotonic() - began) * 1000)
        say("\(host.node): up at \(host.address) after \(took) ms")
    }

    /// Starts a host's init; the end of a pipe on which it says how far it is.
    private func launch(_ folder: String) throws(LabError) -> Descriptor {
        do throws(SystemError) {
            let (reader, writer) = try IO.pipe().split()
            let hearing = Descriptor(owning: reader)
            let saying = Descriptor(owning: writer)
            let log = Descriptor(
                owning: try check("open", folder) {
                    cl_open("\(folder)/host.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
                })
            // setsid goes at once and leaves the host to the machine's init: it outlives us, and is no zombie of ours.
            let starter = try Child(
                [
                    "setsid", "--fork", "unshare", "--mount", "--uts", "--net", "--ipc", "--pid",
                    "--fork", "--kill-child", "--mount-proc", program, "lab-host", "--folder",
                    folder,
                ], output: saying.number, errors: log.number, environment: environment,
                directory: "/")
            _ = try starter.wait()
            return hearing
        } catch {
            throw LabError(error)
        }
    }

    /// Lays out the host's folder for its init.
    private func lay(_ host: LabPlan.Host, in folder: String) throws(LabError) {
        do throws(SystemError) {
            for name in ["upper", "work"] { try Files.makeFolder("\(folder)/\(name)") }
            // sshd wants the way to its authorized keys closed to others' writing, and open to their reading.
            try Files.makeFolder("\(folder)/run/lab/log", mode: 0o755)
            for open in ["\(folder)/run", "\(folder)/run/lab"] {
                try check("chmod", open) { chmod(open, 0o755) }
            }
        } catch {
            throw LabError(error)
        }
        try LabKeys(plan: plan).install(host.node, in: "\(folder)/run/lab")
        try store(try LabJSON.encode(host.services), at: "\(folder)/run/lab/services.json")
        try store(try LabJSON.encode(host.spec), at: "\(folder)/spec.json")
    }

    private var environment: [String] {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        return [
            "PATH=\(path.isEmpty ? "/usr/sbin:/usr/bin:/sbin:/bin" : path)", "HOME=/root",
            "LANG=C.UTF-8", "MESHPROOF_LAB=\(names.mesh)",
        ]
    }

    /// Waits for the host's init to say `word`.
    private func hear(
        _ word: String, from reader: borrowing Descriptor, _ node: String
    ) throws(LabError) {
        let deadline = Clocks.monotonic() + 60
        var line: [UInt8] = []
        do throws(SystemError) {
            while true {
                let left = deadline - Clocks.monotonic()
                guard left > 0, try IO.wait(reader.number, milliseconds: Int32(left * 1000)) else {
                    break
                }
                let byte = try IO.read(reader.number, limit: 1)
                if byte.isEmpty { throw SystemError("read", node, errno: EPIPE) }
                if byte[0] != 10 {
                    line += byte
                } else if line == Array(word.utf8) {
                    return
                } else {
                    line = []
                }
            }
        } catch {
            throw died(node)
        }
        throw LabError(
            .notReady, "start", node, "no `\(word)` within 60 s; its log ends: \(tail(node))",
            hint: "is the machine overloaded? then run `lab up` again")
    }

    private func died(_ node: String) -> LabError {
        let said = tail(node)
        let isForbidden = said.contains("Operation not permitted")
        return LabError(
            isForbidden ? .notPermitted : .failed, "start", node, "its init ended: \(said)",
            hint: isForbidden
                ? "namespaces need real root: not a container without CAP_SYS_ADMIN" : nil)
    }

    private func tail(_ node: String) -> String { LogTail.of("\(names.host(node))/host.log") }

    /// Gives the host's network namespace its name.
    private func bindNamespace(_ node: String, pid: Int32) throws(LabError) {
        let file = names.namespaceFile(node)
        let source = "/proc/\(pid)/ns/net"
        if let bound = Processes.namespaceID(file), bound == Processes.namespaceID(source) {
            return
        }
        do throws(SystemError) {
            Mounts.detach(file)
            try Files.touch(file, mode: 0o444)
            try Mounts.bind(source, at: file)
        } catch {
            throw LabError(error)
        }
    }

    // MARK: Waiting and giving up

    private func awaitReady(timeout: Double, new: Set<String>) throws(LabError) {
        let deadline = Clocks.monotonic() + timeout
        try LabLan(plan: plan).probe(program: program, seconds: timeout)
        if !new.isEmpty { say("every sshd answers") }
        try LabReadiness(plan: plan, new: new, say: say).wait(until: deadline)
    }

    private func rollBack(_ made: [String], wholly: Bool) {
        let remover = LabRemover(names: names, nodes: plan.nodes)
        if wholly {
            _ = try? remover.remove()
        } else {
            var removal = LabRemoval()
            remover.endHosts(made, &removal)
        }
    }

    private func store(_ bytes: [UInt8], at path: String) throws(LabError) {
        do { try Files.replace(path, with: bytes) } catch { throw LabError(error) }
    }

    /// The lab's file, and every running host's copy, in which what the mesh's agent has put below stays.
    private func writeHostsFiles() throws(LabError) {
        try writeInPlace(names.hostsFile, plan.hostsFile)
        for node in plan.nodes {
            let file = LabNames.hostsFile(ofHostIn: names.host(node))
            guard let bytes = try? Files.read(file) else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            let block = text.firstRange(of: "# BEGIN meshproof ").map { text[$0.lowerBound...] }
            try writeInPlace(file, plan.hostsFile + (block ?? ""))
        }
    }

    /// Hosts have the hosts file mounted: it must stay the same file.
    private func writeInPlace(_ path: String, _ text: String) throws(LabError) {
        do throws(SystemError) {
            if (try? Files.read(path)) == Array(text.utf8) { return }
            let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
            let file = Descriptor(owning: try check("open", path) { cl_open(path, flags, 0o644) })
            try IO.writeAll(file.number, Array(text.utf8))
        } catch {
            throw LabError(error)
        }
    }
}

/// The end of a log, for an error message.
enum LogTail {
    static func of(_ path: String, lines: Int = 8) -> String {
        guard let bytes = try? Files.read(path, limit: 1 << 24) else { return "(no log)" }
        let all = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return all.isEmpty ? "(its log is empty)" : all.suffix(lines).joined(separator: "\n    ")
    }
}
