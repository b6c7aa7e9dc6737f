import CLinux
import Glibc
import LinuxSystem

/// Where the controller keeps its state, and, apart from it, the key that opens its secrets.
public struct StateFolders: Sendable, Equatable {
    /// The state's folder, 0700.
    public var state: String
    /// The file of the key-encryption key, 0600, outside ``state``.
    public var keyFile: String

    /// Names both.
    public init(state: String, keyFile: String) {
        self.state = state
        self.keyFile = keyFile
    }

    /// The usual places for a mesh, after the XDG base directories, or `state` where it is given.
    public static func standard(mesh: String, state: String?) -> StateFolders {
        let home = variable("HOME") ?? "/root"
        let stateHome = variable("XDG_STATE_HOME") ?? "\(home)/.local/state"
        let configHome = variable("XDG_CONFIG_HOME") ?? "\(home)/.config"
        return StateFolders(
            state: state ?? "\(stateHome)/meshproof/\(mesh)",
            keyFile: "\(configHome)/meshproof/\(mesh).kek")
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
