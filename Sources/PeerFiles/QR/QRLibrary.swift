import Glibc

/// libqrencode, opened when a code is drawn: nodes, which get the same program, never need it.
///
/// *Source:* qrencode.h of libqrencode 4. The functions are looked up by name, so that the program starts without it.
final class QRLibrary {
    private typealias Encode =
        @convention(c) (
            Int32, UnsafePointer<UInt8>, Int32, Int32
        ) -> UnsafeMutableRawPointer?
    private typealias Free = @convention(c) (UnsafeMutableRawPointer) -> Void

    private static let file = "libqrencode.so.4"
    /// *Source:* QR_ECLEVEL_L: a screen is not scratched, and the smaller code is read from further away.
    private static let level: Int32 = 0

    private let encode: Encode
    private let free: Free

    init() throws(PeerFileError) {
        guard let handle = dlopen(Self.file, RTLD_NOW | RTLD_LOCAL),
            let encode = dlsym(handle, "QRcode_encodeData"), let free = dlsym(handle, "QRcode_free")
        else {
            throw PeerFileError(
                .libraryMissing, "a QR code needs \(Self.file), which is not installed",
                hint: "apt-get install libqrencode4, or use --conf")
        }
        self.encode = unsafeBitCast(encode, to: Encode.self)
        self.free = unsafeBitCast(free, to: Free.self)
    }

    /// The modules of the smallest code that holds `text`, row by row; true is dark.
    func modules(of text: String) throws(PeerFileError) -> [[Bool]] {
        let bytes = Array(text.utf8)
        guard let code = encode(Int32(clamping: bytes.count), bytes, 0, Self.level) else {
            throw PeerFileError(
                .tooLong, "\(bytes.count) bytes do not fit into a QR code",
                hint: "a code holds 2,953 bytes; use --conf and send the file another way")
        }
        defer { free(code) }
        // struct { int version; int width; unsigned char *data; }, one byte a module, bit 0 for dark.
        let width = Int(code.load(fromByteOffset: 4, as: Int32.self))
        guard let data = code.load(fromByteOffset: 8, as: UnsafeMutablePointer<UInt8>?.self) else {
            return []
        }
        return (0..<width).map { row in
            (0..<width).map { data[row * width + $0] & 1 == 1 }
        }
    }
}
