import MeshModel

// Numbers of the routing family. *Source:* `linux/rtnetlink.h`, `linux/if_link.h`, `linux/fib_rules.h`.

/// Message types, RTM_*.
enum RouteMessage {
    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    static let newRoute: UInt16 = 24
    static let deleteRoute: UInt16 = 25
    static let getRoute: UInt16 = 26
    static let newRule: UInt16 = 32
    static let deleteRule: UInt16 = 33
    static let getRule: UInt16 = 34
    static let newQueue: UInt16 = 36
    static let getQueue: UInt16 = 38
    static let newClass: UInt16 = 40
    static let getClass: UInt16 = 42
    static let newFilter: UInt16 = 44
    static let getFilter: UInt16 = 46
}

/// Address families, AF_*.
enum KernelFamily {
    static let unspecified: UInt8 = 0
    static let ipv4: UInt8 = 2
    static let ipv6: UInt8 = 10

    static func of(_ family: IPAddress.Family) -> UInt8 { family == .ipv4 ? ipv4 : ipv6 }

    static func family(_ number: UInt8) -> IPAddress.Family? {
        switch number {
        case ipv4: .ipv4
        case ipv6: .ipv6
        default: nil
        }
    }
}

extension IPPrefix {
    /// The whole of a family: 0.0.0.0/0 or ::/0.
    static func everything(_ family: IPAddress.Family) -> IPPrefix? {
        IPPrefix(IPAddress(family: family, high: 0, low: 0), length: 0)
    }
}
