import NIOCore

/// Sizes buffers by what arrives, and keeps none: a channel's own pool holds up to 64 KiB for each of its reads, also while it is idle.
package struct ReadBuffers: RecvByteBufferAllocator {
    private var sizes = AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2048, maximum: 65_536)

    package init() {}

    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { sizes.buffer(allocator: allocator) }
    package mutating func record(actualReadBytes: Int) -> Bool { sizes.record(actualReadBytes: actualReadBytes) }
}
