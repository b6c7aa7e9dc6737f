import Glibc

/// Raw memory with one owner, wiped before it is given back: messages may hold keys.
package struct WipedBuffer: ~Copyable {
    /// The memory. Borrow it for a call; do not keep it.
    package let bytes: UnsafeMutableRawBufferPointer

    /// Zeroed memory of `count` bytes.
    package init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 16)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Zeroes the first `count` bytes, in a way the optimizer does not drop.
    package func wipe(first count: Int) {
        if let base = bytes.baseAddress { explicit_bzero(base, min(max(count, 0), bytes.count)) }
    }

    deinit {
        wipe(first: bytes.count)
        bytes.deallocate()
    }
}
