import CYAML

/// One step of a YAML file.
struct YAMLEvent {
    enum Kind {
        case streamStart, streamEnd
        case documentStart, documentEnd
        case alias(String)
        case scalar(YAMLNode.Scalar)
        case sequenceStart, sequenceEnd
        case mappingStart, mappingEnd
    }

    let kind: Kind
    let mark: Mark
    /// The Unicode scalars it takes, counted from the start of the text. *Source:* `yaml_mark_t.index`.
    var span: Range<Int> = 0..<0
    /// Whether a collection that starts here is in flow style: brackets, or a pair within brackets.
    var isFlow = false
    var anchor: String?
    var tag: String?
}

/// Where and how libyaml gave up.
struct YAMLFailure: Error {
    let problem: String
    let context: String?
    let mark: Mark
}

/// Owns a libyaml parser and the bytes it reads.
struct YAMLEventStream: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    /// `bytes` are copied, since libyaml keeps a pointer to them.
    init(_ bytes: [UInt8]) throws(YAMLFailure) {
        parser = .allocate(capacity: 1)
        input = .allocate(capacity: bytes.count)
        _ = input.initialize(from: bytes)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            input.deallocate()
            throw YAMLFailure(problem: "out of memory", context: nil, mark: .start)
        }
        // Set, so that libyaml does not guess UTF-16 from what looks like a byte order mark.
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event; after a failure or the end of the stream there is none to ask for.
    mutating func next() throws(YAMLFailure) -> YAMLEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        defer { yaml_event_delete(&event) }
        var translated = Self.translate(event)
        let start = Int(event.start_mark.index)
        translated.span = start..<max(start, Int(event.end_mark.index))
        return translated
    }

    private static func translate(_ event: yaml_event_t) -> YAMLEvent {
        let mark = Self.mark(event.start_mark)
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let plain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            let text = Self.text(scalar.value, count: scalar.length) ?? ""
            return YAMLEvent(
                kind: .scalar(.init(text: text, isPlain: plain)), mark: mark,
                anchor: Self.text(scalar.anchor), tag: Self.text(scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return YAMLEvent(
                kind: .sequenceStart, mark: mark,
                isFlow: start.style == YAML_FLOW_SEQUENCE_STYLE, anchor: Self.text(start.anchor),
                tag: Self.text(start.tag))
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return YAMLEvent(
                kind: .mappingStart, mark: mark,
                isFlow: start.style == YAML_FLOW_MAPPING_STYLE, anchor: Self.text(start.anchor),
                tag: Self.text(start.tag))
        case YAML_ALIAS_EVENT:
            return YAMLEvent(kind: .alias(Self.text(event.data.alias.anchor) ?? ""), mark: mark)
        case YAML_SEQUENCE_END_EVENT: return YAMLEvent(kind: .sequenceEnd, mark: mark)
        case YAML_MAPPING_END_EVENT: return YAMLEvent(kind: .mappingEnd, mark: mark)
        case YAML_DOCUMENT_START_EVENT: return YAMLEvent(kind: .documentStart, mark: mark)
        case YAML_DOCUMENT_END_EVENT: return YAMLEvent(kind: .documentEnd, mark: mark)
        case YAML_STREAM_START_EVENT: return YAMLEvent(kind: .streamStart, mark: mark)
        default: return YAMLEvent(kind: .streamEnd, mark: mark)
        }
    }

    private func failure() -> YAMLFailure {
        let state = parser.pointee
        // Reader errors have an offset and no mark; those bytes were refused before they came here.
        return YAMLFailure(
            problem: state.problem.map { String(cString: $0) } ?? "not valid YAML",
            context: state.context.map { String(cString: $0) }, mark: Self.mark(state.problem_mark))
    }

    private static func mark(_ mark: yaml_mark_t) -> Mark {
        Mark(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private static func text(_ pointer: UnsafeMutablePointer<UInt8>?, count: Int) -> String? {
        pointer.map {
            String(decoding: UnsafeBufferPointer(start: $0, count: count), as: UTF8.self)
        }
    }

    private static func text(_ pointer: UnsafeMutablePointer<UInt8>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}
