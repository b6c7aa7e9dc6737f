/// The version of this program, the same text on controller and nodes.
public enum ProgramVersion {
    /// As `meshproof --version` prints it.
    public static let current = "0.1.0"
}
