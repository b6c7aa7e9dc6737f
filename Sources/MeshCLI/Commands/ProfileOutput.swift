import LinuxSystem
import MeshController
import MeshModel
import PeerFiles
import Secrets

/// Hands an unmanaged node's configuration over: as text, as a file, as a QR code.
struct ProfileOutput {
    private let workspace: Workspace
    let options: ProfileOptions

    /// *Throws:* ``CommandFailure`` for options that make no sense, before anything is done.
    init(_ workspace: Workspace) throws {
        self.workspace = workspace
        let invocation = workspace.invocation
        var options = ProfileOptions()
        options.gateway = invocation.values["full"]
        options.dns = invocation.lists["dns"] ?? []
        for server in options.dns where IPAddress(server) == nil {
            throw CommandFailure("--dns \(server): want an address", code: ExitCode.usage)
        }
        if invocation.has("mtu") {
            options.mtu = try invocation.count("mtu", 1420, in: 1280...65455)
        }
        self.options = options
    }

    /// Whether any form was asked for.
    var isWanted: Bool {
        ["conf", "qr", "png", "out"].contains { workspace.invocation.has($0) }
    }

    /// Whether it can be given in every form that was asked for, before anything is done. Files are not tried.
    func check(_ profile: WireGuardProfile, key: PeerKey?) throws {
        guard workspace.invocation.has("qr") || workspace.invocation.has("png") else { return }
        let code = try QRCode(text(profile, key: key))
        if workspace.invocation.has("qr") && !workspace.asJSON { try fits(code) }
    }

    private func fits(_ code: QRCode) throws {
        let output = workspace.output
        let columns = code.modules.count + 2 * QRCode.quietZone
        if output.isTerminal && output.width < columns {
            throw CommandFailure(
                "the terminal has \(output.width) columns, and the code takes \(columns)",
                fix: "make the window wider, or use --png FILE")
        }
    }

    /// Gives the profile in every form that was asked for; as text where none was.
    ///
    /// - Parameter key: the private key where it is known; a code without it would be of no use.
    func hand(_ profile: WireGuardProfile, key: PeerKey?) throws {
        let invocation = workspace.invocation
        let text = self.text(profile, key: key)
        if (invocation.has("qr") || invocation.has("png")) && key == nil {
            throw CommandFailure(
                "the private key is not kept here, and a code without it is of no use",
                fix: "--conf shows the rest; or peer rm and peer add it again, with --keep")
        }
        if let file = invocation.values["out"] { try write(Array(text.utf8), to: file) }
        if let file = invocation.values["png"] { try write(try QRCode(text).png(), to: file) }
        if workspace.asJSON { return }
        if invocation.has("qr") {
            let output = workspace.output
            // The colours are the picture itself, and not decoration: they go into a pipe as well.
            let inColor = !invocation.has("no-color")
            let code = try QRCode(text)
            try fits(code)
            code.terminalLines(inColor: inColor).forEach(output.line)
        }
        let isElsewhere = ["qr", "png", "out"].contains { invocation.has($0) }
        if invocation.has("conf") || !isElsewhere { workspace.output.write(text) }
    }

    /// The text, with the key where it is known.
    func text(_ profile: WireGuardProfile, key: PeerKey?) -> String {
        profile.wgQuick(key.map { .key(SecretText.encode($0.privateKey)) } ?? .placeholder)
    }

    private func write(_ bytes: [UInt8], to file: String) throws {
        try Files.replace(file, with: bytes, mode: 0o600)
        workspace.errors.line("  wrote \(file), readable by you alone")
    }
}
