import Glibc
import LinuxSystem

/// A target after ssh_config has had its say: everything a connection needs, with every path spelt out.
///
/// The `ssh` program itself reads the files (`ssh -G`), so that `Match`, `Include`, `HostKeyAlias` and the like mean
/// here what they mean to the operator. libssh's own reader knows only a part of them, and overrides some options.
struct SSHConfiguration: Sendable, Equatable {
    var host: String
    var port: UInt16
    var user: String
    /// The name that known_hosts is searched for, where it is not the host's own.
    var hostKeyAlias: String?
    var identityFiles: [String] = []
    /// Whether the agent is asked only when an identity file is encrypted.
    var identitiesOnly = false
    /// The agent's socket; nil where there is none.
    var agentSocket: String?
    var knownHostsFiles: [String] = []
    /// A shell command whose standard input and output are the connection.
    var proxyCommand: String?

    /// `user@host:port`.
    var subject: String { "\(user)@\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    /// The name under which known_hosts lists the host: `[host]:port` where the port is not 22.
    var knownHostsName: String {
        let name = (hostKeyAlias ?? host).asciiLowercased
        return port == 22 || hostKeyAlias != nil ? name : "[\(name)]:\(port)"
    }
}

extension SSHConfiguration {
    /// Resolves a target.
    ///
    /// *Throws:* `configuration` where ssh_config or the target itself is not usable.
    static func resolve(_ target: SSHTarget, timeout: Double) throws(SSHError) -> SSHConfiguration {
        func reject(_ detail: String, hint: String) -> SSHError {
            SSHError(.configuration, "connect", target.text, detail, hint: hint)
        }
        // A leading dash would reach ssh as an option, white space and control characters as something else.
        for (what, value) in [("host", target.host), ("user", target.user ?? "x")] {
            if value.isEmpty || value.hasPrefix("-")
                || value.utf8.contains(where: { $0 <= 32 || $0 == 127 })
            {
                throw reject("the \(what) name is not usable", hint: "write ssh://user@host:port")
            }
        }
        var command = ["ssh", "-G"]
        if let file = target.configFile { command += ["-F", file] }
        if let user = target.user { command += ["-l", user] }
        if let port = target.port { command += ["-p", String(port)] }
        command += ["--", target.host]
        let answer: CommandResult
        do {
            answer = try Child.run(command, timeout: min(timeout, 15), limit: 1 << 20)
        } catch {
            if error.errno == ENOENT {
                throw reject(
                    "there is no ssh program to read ssh_config with",
                    hint: "install openssh-client: scripts/setup, or apt-get install openssh-client"
                )
            }
            throw reject("ssh -G: \(error)", hint: "try: \(command.joined(separator: " "))")
        }
        if !answer.status.isSuccess {
            let words = answer.errorText.split(separator: "\n").last.map(String.init) ?? "it failed"
            throw reject("ssh_config: \(words)", hint: "try: \(command.joined(separator: " "))")
        }
        return parse(answer.text, target: target)
    }

    /// Reads what `ssh -G` prints: one lower-case keyword and its value a line.
    static func parse(_ text: String, target: SSHTarget) -> SSHConfiguration {
        var values: [String: [String]] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            if parts.count == 2 { values[parts[0], default: []].append(parts[1]) }
        }
        let home = homeFolder()
        var result = SSHConfiguration(
            host: values["hostname"]?.first ?? target.host,
            port: values["port"]?.first.flatMap { UInt16($0) } ?? target.port ?? 22,
            user: values["user"]?.first ?? target.user ?? "root")
        result.hostKeyAlias = values["hostkeyalias"]?.first
        let tokens = Tokens(
            home: home, host: result.host, alias: target.host, port: result.port, user: result.user)
        result.identityFiles = (values["identityfile"] ?? []).map { tokens.path($0) }
        result.identitiesOnly = values["identitiesonly"]?.first == "yes"
        result.knownHostsFiles = ["userknownhostsfile", "globalknownhostsfile"]
            .flatMap { words(values[$0]?.first ?? "") }
            .filter { $0 != "none" }.map { tokens.path($0) }
        result.agentSocket = agentSocket(values["identityagent"]?.first, tokens)
        if let jump = values["proxyjump"]?.first, jump != "none" {
            result.proxyCommand = tokens.command(
                jumpCommand(jump, configFile: target.configFile))
        } else if let command = values["proxycommand"]?.first, command != "none" {
            result.proxyCommand = tokens.command(command)
        }
        return result
    }

    private static func agentSocket(_ setting: String?, _ tokens: Tokens) -> String? {
        func environment(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        switch setting {
        case nil, "SSH_AUTH_SOCK": return environment("SSH_AUTH_SOCK")
        case "none": return nil
        case let setting? where setting.hasPrefix("$"):
            return environment(String(setting.dropFirst()))
        case let setting?: return tokens.path(setting)
        }
    }

    /// The command that reaches the target through jump hosts, as `ssh -J` builds it for itself.
    private static func jumpCommand(_ jumps: String, configFile: String?) -> String {
        var hops = jumps.split(separator: ",").map(String.init)
        let last = hops.removeLast()
        var parts = ["exec", "ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        if let configFile { parts += ["-F", quote(configFile)] }
        if !hops.isEmpty { parts += ["-J", quote(hops.joined(separator: ","))] }
        let place = last.contains("://") ? last : "ssh://\(last)"
        return (parts + ["-W", "'[%h]:%p'", "--", quote(place)]).joined(separator: " ")
    }

    /// A word that the shell and our own `%` tokens both leave as it is.
    private static func quote(_ word: String) -> String {
        var quoted = "'"
        for character in word {
            switch character {
            case "'": quoted += "'\\''"
            case "%": quoted += "%%"
            default: quoted.append(character)
            }
        }
        return quoted + "'"
    }

    /// Splits a list of paths, which ssh quotes where they contain spaces.
    private static func words(_ text: String) -> [String] {
        var result: [String] = []
        var word = ""
        var quoted = false
        for character in text {
            if character == "\"" {
                quoted.toggle()
            } else if character == " " && !quoted {
                if !word.isEmpty { result.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        return word.isEmpty ? result : result + [word]
    }

    /// The home folder of the account, not of the environment: `sudo` often leaves HOME as it was.
    private static func homeFolder() -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        let code = getpwuid_r(getuid(), &entry, &buffer, buffer.count, &found)
        guard code == 0, found != nil, let folder = entry.pw_dir else { return "/root" }
        return String(cString: folder)
    }
}

/// The `%` tokens of ssh_config that `ssh -G` leaves in place. *Source:* ssh_config(5), TOKENS.
private struct Tokens {
    let home: String
    let host: String
    let alias: String
    let port: UInt16
    let user: String

    func path(_ text: String) -> String {
        let expanded = expand(text)
        if expanded == "~" { return home }
        return expanded.hasPrefix("~/") ? home + expanded.dropFirst() : expanded
    }

    func command(_ text: String) -> String { expand(text) }

    private func expand(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            guard character == "%", let token = rest.popFirst() else {
                result.append(character)
                continue
            }
            switch token {
            case "%": result += "%"
            case "d": result += home
            case "h": result += host
            case "n", "k": result += alias
            case "p": result += String(port)
            case "r": result += user
            case "i": result += String(getuid())
            default: result += "%\(token)"
            }
        }
        return result
    }
}

extension String {
    /// Lower case for A to Z only, as host names compare.
    var asciiLowercased: String {
        String(decoding: utf8.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }, as: UTF8.self)
    }
}
