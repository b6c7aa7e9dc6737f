// libsodium's headers declare most pointers as never null, while Swift's buffers have none where they are empty.
// An empty buffer gets an address that nothing reads, as C's malloc(0) would give.
private let nowhere: UInt = 16

extension UnsafeRawBufferPointer {
    var bytePointer: UnsafePointer<UInt8> {
        let base = baseAddress ?? UnsafeRawPointer(bitPattern: nowhere)
        return base!.assumingMemoryBound(to: UInt8.self)
    }

    var charPointer: UnsafePointer<CChar> {
        UnsafeRawPointer(bytePointer).assumingMemoryBound(to: CChar.self)
    }
}

extension UnsafeMutableRawBufferPointer {
    var bytePointer: UnsafeMutablePointer<UInt8> {
        let base = baseAddress ?? UnsafeMutableRawPointer(bitPattern: nowhere)
        return base!.assumingMemoryBound(to: UInt8.self)
    }

    var charPointer: UnsafeMutablePointer<CChar> {
        UnsafeMutableRawPointer(bytePointer).assumingMemoryBound(to: CChar.self)
    }
}
