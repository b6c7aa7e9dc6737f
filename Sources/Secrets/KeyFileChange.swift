import LinuxSystem

/// Puts a new key file in the old one's place, so that at every moment one of both opens everything.
///
/// The state says which key it `wanted`: the one its secrets are sealed with. The files follow it, a move at a time:
///
/// 1. the new key is written beside the old one, as `FILE.rekey-next`; the state still wants the old one;
/// 2. the state is sealed with the new one, in one commit that also names the old key as `retired`;
/// 3. `FILE` becomes `FILE.rekey-old`, `FILE.rekey-next` becomes `FILE`, and the old one is overwritten and removed.
///
/// Killed anywhere, ``settle(_:wanted:retired:after:)`` goes on, or back, from what it finds.
public enum KeyFileChange {
    /// One thing done to the files.
    public enum Move: Sendable, Equatable {
        /// The old key steps aside.
        case setAside
        /// The new key takes its place.
        case install
        /// The old key is overwritten and removed.
        case wipeOld
        /// A new key that nothing is sealed with is overwritten and removed.
        case wipeNext
    }

    /// Where a new key waits.
    public static func next(_ path: String) -> String { path + ".rekey-next" }
    /// Where an old key goes.
    public static func old(_ path: String) -> String { path + ".rekey-old" }

    /// Step 1: makes a new key and writes it down beside the old one.
    ///
    /// *Throws:* ``SecretsError`` `keyFileInState` as ``KeyFile/open(_:stateFolder:mayCreate:)``, `system`.
    public static func prepare(
        _ path: String, stateFolder: String
    ) throws(SecretsError) -> KeyEncryptionKey {
        try KeyFile.refuseInside(path, stateFolder)
        let secret = try SecretBytes(random: KeyEncryptionKey.width)
        do throws(SystemError) {
            try Files.makeFolder(Files.folder(of: path), mode: 0o700)
        } catch {
            throw SecretsError(error, "make key file", hint: "name another path for the key file")
        }
        try SecretFiles.write(secret, to: next(path))
        return try KeyEncryptionKey(secret, origin: .file(path))
    }

    /// Step 3, and what is to be done after a crash at any step. *Idempotency:* settled files are left alone.
    ///
    /// - Parameters:
    ///   - wanted: the ``KeyEncryptionKey/id`` of the key in `path` that the state is sealed with; nil where it is locked
    ///     by something else or nothing is sealed.
    ///   - retired: the id of the key that was in `path` before, and that nothing is sealed with any more.
    ///   - after: is told of each move once it is made.
    public static func settle(
        _ path: String, wanted: [UInt8]?, retired: [UInt8]?,
        after: (Move) throws(SecretsError) -> Void = { _ in }
    ) throws(SecretsError) {
        while let move = try pending(path, wanted: wanted, retired: retired) {
            try make(move, path)
            try after(move)
        }
    }

    /// The key that is wanted, wherever a change that was cut short left it; changes nothing.
    public static func find(_ path: String, wanted: [UInt8]?) throws(SecretsError)
        -> KeyEncryptionKey?
    {
        for file in [path, next(path)] {
            guard let secret = try SecretFiles.read(file, count: KeyEncryptionKey.width) else {
                continue
            }
            let key = try KeyEncryptionKey(secret, origin: .file(path))
            if wanted == nil || key.id == wanted { return key }
        }
        return nil
    }

    /// What is to be done next, from what is there; nil where all is settled.
    private static func pending(
        _ path: String, wanted: [UInt8]?, retired: [UInt8]?
    ) throws(SecretsError) -> Move? {
        let current = try look(path)
        let next = try look(next(path))
        if case .key(let id) = next, id == wanted, current != next {
            switch current {
            case .nothing: return .install
            case .key(let id) where id == retired: return .setAside
            // It is not ours to remove: the error for a wrong key will name it.
            default: return nil
            }
        }
        if next != .nothing { return .wipeNext }
        guard let retired, retired != wanted else { return nil }
        if current == .key(retired) { return .setAside }
        let old = try look(old(path))
        return old == .key(retired) || old == .rubbish ? .wipeOld : nil
    }

    private static func make(_ move: Move, _ path: String) throws(SecretsError) {
        do throws(SystemError) {
            switch move {
            case .setAside: try Files.move(path, to: old(path))
            case .install: try Files.move(next(path), to: path)
            case .wipeOld: try Files.wipe(old(path))
            case .wipeNext: try Files.wipe(next(path))
            }
        } catch {
            throw SecretsError(
                error, "change key file", hint: "run the command again once the disk is well")
        }
    }

    private enum Found: Equatable {
        case nothing
        /// Half overwritten, for instance.
        case rubbish
        case key([UInt8])
    }

    private static func look(_ path: String) throws(SecretsError) -> Found {
        do throws(SecretsError) {
            guard let secret = try SecretFiles.read(path, count: KeyEncryptionKey.width) else {
                return .nothing
            }
            return .key(try KeyEncryptionKey(secret).id)
        } catch {
            if error.code == .malformed { return .rubbish }
            throw error
        }
    }
}
