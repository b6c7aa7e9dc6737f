/// The version of this program, as `--version`, the agent's hello and the installer say it.
public enum ProgramVersion {
    /// *Shape:* semantic version.
    public static let current = "0.1.0"
}
