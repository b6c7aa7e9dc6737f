import Glibc
import MeshModel
import TestSupport
import Testing

@Suite("Addresses are read strictly and written in their one canonical form")
struct AddressTextTests {
    @Test(
        "IPv6 is written as RFC 5952 asks",
        arguments: [
            ("::", "::"), ("0:0:0:0:0:0:0:0", "::"), ("::1", "::1"), ("1::", "1::"),
            // Section 4.1: no leading zeros; 4.3: lower case.
            ("2001:0DB8::0001", "2001:db8::1"),
            // Section 4.2.2: one zero group is not shortened.
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            // Section 4.2.3: the longest run, and of two equal ones the first.
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("0:0:1:0:0:0:0:0", "0:0:1::"), ("1:0:0:0:0:0:0:0", "1::"), ("0:0:0:0:0:0:0:1", "::1"),
            // Section 5: mapped addresses keep their dots.
            ("::ffff:c000:201", "::ffff:192.0.2.1"), ("::FFFF:192.0.2.1", "::ffff:192.0.2.1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ])
    func canonical(_ text: String, _ wanted: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.family == .ipv6)
        #expect(address.description == wanted)
        #expect(IPAddress(wanted) == address)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", ".", ":", ":::", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04",
            "1.2.3.",
            ".1.2.3", "1..2.3", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "-1.2.3.4", "0x1.2.3.4",
            "1,2,3,4",
            "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":1::2", "1::2:", "12345::", "g::",
            "::1%eth0",
            "[::1]", "::1.2.3", "::1.2.3.4:5", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.400",
            "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1٢.0.0.1", "::\u{0}", "fe80::1/64",
        ])
    func refused(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("random addresses survive their text, and the C library agrees with every one")
    func roundTrip() {
        var random = SplitMix(1)
        for round in 0..<4_000 {
            let address = Self.address(&random, sparse: round % 2 == 0)
            let text = address.description
            #expect(IPAddress(text) == address, "\(text)")
            #expect(Self.libraryBytes(text, address.family) == address.bytes, "\(text)")
            #expect(IPAddress(bytes: address.bytes) == address)
        }
    }

    @Test("text with random damage is read as the C library reads it, or refused by both")
    func damaged() {
        var random = SplitMix(2)
        let letters = Array("0123456789abcdefF:.:. g%/".utf8)
        for _ in 0..<20_000 {
            var text = Array(Self.address(&random, sparse: true).description.utf8)
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let at = Int.random(in: 0..<max(1, text.count), using: &random)
                let letter = letters[Int.random(in: 0..<letters.count, using: &random)]
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text.insert(letter, at: min(at, text.count))
                case 1: if at < text.count { text[at] = letter }
                default: if at < text.count { text.remove(at: at) }
                }
            }
            let string = String(decoding: text, as: UTF8.self)
            let family: IPAddress.Family = text.contains(UInt8(ascii: ":")) ? .ipv6 : .ipv4
            #expect(IPAddress(string)?.bytes == Self.libraryBytes(string, family), "\(string)")
        }
    }

    @Test("addresses sort by family, then by value")
    func order() {
        let sorted = [
            "0.0.0.0", "9.255.255.255", "10.0.0.1", "255.255.255.255", "::", "::1", "fd77::1",
            "fd77:1::",
        ]
        .compactMap { IPAddress($0) }
        var random = SplitMix(3)
        #expect(sorted.shuffled(using: &random).sorted() == sorted)
    }

    @Test("advancing carries, and ends where the family ends")
    func advancing() {
        #expect(IPAddress("10.0.0.255")?.advanced(by: 1) == IPAddress("10.0.1.0"))
        #expect(IPAddress("255.255.255.255")?.advanced(by: 1) == nil)
        #expect(IPAddress("0.0.0.1")?.advanced(by: .max) == nil)
        #expect(IPAddress("::ffff:ffff:ffff:ffff")?.advanced(by: 1) == IPAddress("0:0:0:1::"))
        #expect(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")?.advanced(by: 1) == nil)
        #expect(IPAddress("ffff:ffff:ffff:ffff::")?.advanced(by: .max) != nil)
    }

    @Test(
        "special addresses are known",
        arguments: [
            ("127.0.0.1", "loopback"), ("127.255.0.9", "loopback"), ("128.0.0.1", ""),
            ("::1", "loopback"),
            ("::2", ""), ("169.254.9.9", "link-local"), ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", ""), ("224.0.0.1", "multicast"), ("239.9.9.9", "multicast"),
            ("240.0.0.1", ""),
            ("ff02::1", "multicast"), ("0.0.0.0", "unspecified"), ("::", "unspecified"),
            ("10.0.0.1", ""),
        ])
    func special(_ text: String, _ wanted: String) throws {
        let address = try #require(IPAddress(text))
        let found = [
            address.isLoopback ? "loopback" : nil, address.isLinkLocal ? "link-local" : nil,
            address.isMulticast ? "multicast" : nil, address.isUnspecified ? "unspecified" : nil,
        ].compactMap { $0 }
        #expect(found == (wanted.isEmpty ? [] : [wanted]))
    }

    static func address(_ random: inout SplitMix, sparse: Bool) -> IPAddress {
        func half() -> UInt64 {
            let value = random.next()
            if !sparse { return value }
            // Whole groups of zeros, so that `::` is written in every position.
            return [48, 32, 16, 0].reduce(UInt64(0)) { total, shift in
                Bool.random(using: &random) ? total : total | value & (0xffff << UInt64(shift))
            }
        }
        let family: IPAddress.Family = Int.random(in: 0..<4, using: &random) == 0 ? .ipv4 : .ipv6
        return IPAddress(family: family, high: half(), low: half())
    }

    /// inet_pton(3), as a second opinion.
    private static func libraryBytes(_ text: String, _ family: IPAddress.Family) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: family == .ipv4 ? 4 : 16)
        let result = inet_pton(family == .ipv4 ? AF_INET : AF_INET6, text, &bytes)
        return result == 1 ? bytes : nil
    }
}
