import Glibc
import LinuxSystem
import MeshModel
import PeerFiles
import Testing

@Suite("A configuration becomes a QR code that readers read")
struct QRTests {
    static let text = """
        # phone in the mesh home
        [Interface]
        PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
        Address = 10.77.0.5/32, fd77:6d70::5/128

        [Peer]
        # edge
        PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
        Endpoint = 198.51.100.11:51820
        AllowedIPs = 10.77.0.1/32, fd77:6d70::1/128
        PersistentKeepalive = 25

        """

    @Test("zbar reads the very text out of the picture", arguments: [2, 3, 8])
    func picture(_ scale: Int) throws {
        #expect(
            try Self.read(QRCode(Self.text).png(scale: scale), "scale\(scale)") == Self.text
        )
    }

    @Test("the largest code is a picture too: more than one block of deflate")
    func largest() throws {
        let long = String(repeating: "0123456789abcdef", count: 184)
        #expect(try Self.read(QRCode(long).png(), "large") == long)
    }

    @Test("the terminal shows the same modules, in colour and without", arguments: [true, false])
    func terminal(_ inColor: Bool) throws {
        let code = try QRCode(Self.text)
        let lines = code.terminalLines(inColor: inColor)
        var rows: [[Bool]] = []
        for line in lines {
            var cells = line
            if inColor {
                // Black on white of its own, whatever the terminal has, and nothing left behind.
                #expect(line.hasPrefix("\u{1b}[38;5;16;48;5;231m") && line.hasSuffix("\u{1b}[0m"))
                cells = String(line.dropFirst(19).dropLast(4))
            }
            rows.append(cells.map { ("█▀".contains($0)) == inColor })
            rows.append(cells.map { ("█▄".contains($0)) == inColor })
        }
        let zone = QRCode.quietZone
        let side = code.modules.count
        #expect(rows.prefix(zone).allSatisfy { $0.count == side + 2 * zone && !$0.contains(true) })
        #expect(rows.dropFirst(zone + side).prefix(zone).allSatisfy { !$0.contains(true) })
        let inner = rows[zone..<zone + side].map { Array($0[zone..<zone + side]) }
        #expect(inner == code.modules)
        #expect(
            rows[zone..<zone + side].allSatisfy { row in
                !row.prefix(zone).contains(true) && !row.suffix(zone).contains(true)
            })
    }

    @Test("a text that fits into no code is refused, with another way")
    func tooLong() {
        let error = #expect(throws: PeerFileError.self) {
            try QRCode(String(repeating: "x", count: 3000))
        }
        #expect(error?.code == .tooLong)
    }

    private static func read(_ picture: [UInt8], _ name: String) throws -> String {
        let path = "/tmp/meshproof-qr-\(name)-\(getpid()).png"
        try Files.replace(path, with: picture)
        defer { _ = try? Files.remove(path) }
        let result = try Child.run(
            ["/usr/bin/zbarimg", "--quiet", "--raw", "--oneshot", path], timeout: 60)
        return String(decoding: result.output, as: UTF8.self)
    }
}
