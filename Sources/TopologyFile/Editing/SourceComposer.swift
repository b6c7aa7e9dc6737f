/// Builds ``SourceNode`` out of libyaml's events, for a file that ``YAMLComposer`` has read without complaint.
struct SourceComposer: ~Copyable {
    private var events: YAMLEventStream
    /// The byte at which each Unicode scalar begins, and the end.
    private let offsets: [Int]
    private let bytes: [UInt8]

    /// The root, or nil where there is none.
    static func compose(_ bytes: [UInt8]) -> SourceNode? {
        // libyaml is given the text without a byte order mark, so all places move by its three bytes.
        let skipped = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
        do {
            var composer = SourceComposer(
                try YAMLEventStream(Array(bytes[skipped...])), bytes,
                offsets(of: bytes, from: skipped))
            return try composer.document()
        } catch {
            return nil
        }
    }

    private init(
        _ events: consuming YAMLEventStream, _ bytes: [UInt8], _ offsets: [Int]
    ) {
        self.events = events
        self.bytes = bytes
        self.offsets = offsets
    }

    private static func offsets(of bytes: [UInt8], from start: Int) -> [Int] {
        // Every byte that does not continue a scalar begins one.
        (start..<bytes.count).filter { bytes[$0] & 0xc0 != 0x80 } + [bytes.count]
    }

    private func place(_ scalars: Range<Int>) -> Range<Int> {
        let last = offsets.count - 1
        return offsets[min(scalars.lowerBound, last)]..<offsets[min(scalars.upperBound, last)]
    }

    private mutating func document() throws(YAMLFailure) -> SourceNode? {
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamStart, .documentStart: continue
            case .streamEnd, .documentEnd: return nil
            default: return try node(event)
            }
        }
    }

    private mutating func node(_ event: YAMLEvent) throws(YAMLFailure) -> SourceNode {
        let span = place(event.span)
        switch event.kind {
        case .scalar(let scalar):
            return SourceNode(
                content: .scalar(scalar.text, isPlain: scalar.isPlain), style: .block, span: span)
        case .sequenceStart:
            var items: [SourceNode] = []
            while true {
                let next = try events.next()
                if case .sequenceEnd = next.kind {
                    return collection(
                        .sequence(items), from: event, to: next, lastEnd: items.last?.span)
                }
                items.append(try node(next))
            }
        case .mappingStart:
            var entries: [SourceNode.Entry] = []
            while true {
                let next = try events.next()
                if case .mappingEnd = next.kind {
                    let last = entries.last.map { $0.value.span }
                    return collection(.mapping(entries), from: event, to: next, lastEnd: last)
                }
                let key = try node(next)
                entries.append(SourceNode.Entry(key: key, value: try node(try events.next())))
            }
        default:
            return SourceNode(content: .alias, style: .block, span: span)
        }
    }

    private func collection(
        _ content: SourceNode.Content, from start: YAMLEvent, to end: YAMLEvent,
        lastEnd: Range<Int>?
    ) -> SourceNode {
        let begin = place(start.span)
        // The end of a pair, and of a block, is the next token: after comments and blank lines.
        let isBraced = start.isFlow && isBrace(place(end.span), of: content)
        let upper = isBraced ? place(end.span).upperBound : lastEnd?.upperBound ?? begin.upperBound
        return SourceNode(
            content: content, style: isBraced ? .flow : start.isFlow ? .pair : .block,
            span: begin.lowerBound..<max(begin.lowerBound, upper))
    }

    /// Whether a collection of this kind ends with this token.
    private func isBrace(_ token: Range<Int>, of content: SourceNode.Content) -> Bool {
        guard token.count == 1 else { return false }
        if case .mapping = content { return bytes[token.lowerBound] == UInt8(ascii: "}") }
        return bytes[token.lowerBound] == UInt8(ascii: "]")
    }
}
