/// Adds to a collection of the source, and takes away from it, in the style that the collection has.
///
/// What is added and then taken away leaves the bytes as they were.
struct CollectionEditor {
    let lines: SourceLines

    /// Why a place cannot be edited.
    struct Refusal: Error {
        /// Where it is. *Units:* bytes.
        var place: Int
        var reason: String
    }

    // MARK: Adding

    /// Adds a field to a mapping, after its last one or after the one at `position`.
    ///
    /// - Parameter place: where nothing is written yet, the end of the key's colon or of the word for nothing.
    func add(
        _ field: YAMLValue.Field, to node: SourceNode, after position: Int? = nil, step: String
    ) throws(Refusal) -> [SourceLines.Change] {
        if node.isNothing { return try fill(node, "{ \(field.flow) }") }
        guard let entries = node.entries, node.style != .pair else { throw unfit(node) }
        let members = entries.map { $0.key.span.lowerBound..<$0.value.span.upperBound }
        if node.style == .flow {
            return try addInBrackets(field.flow, members, in: node, after: position)
        }
        return try addLines(members, after: position) {
            field.lines(indent: $0, step: step)
        }
    }

    /// Adds an item to the end of a list.
    func add(_ item: YAMLValue, to node: SourceNode) throws(Refusal) -> [SourceLines.Change] {
        guard let items = node.items else { throw unfit(node) }
        if node.style == .flow {
            return try addInBrackets(item.flowItem, items.map(\.span), in: node, after: nil)
        }
        var members: [Range<Int>] = []
        for item in items { members.append(try dash(of: item)..<item.span.upperBound) }
        return try addLines(members, after: nil) { ["\($0)- \(item.flowItem)"] }
    }

    private func unfit(_ node: SourceNode) -> Refusal {
        if case .alias = node.content {
            return Refusal(
                place: node.span.lowerBound,
                reason: "what stands here is an alias, and its anchor may be used elsewhere too")
        }
        return Refusal(
            place: node.span.lowerBound, reason: "what stands here is written in another way")
    }

    /// Writes a value where there is none.
    private func fill(
        _ node: SourceNode, _ text: String
    ) throws(Refusal) -> [SourceLines.Change] {
        let before = node.span.lowerBound
        // A comment that touches the colon is no comment to some, and part of what is written there to others.
        let line = lines.bytes[..<before].lastIndex { $0 != UInt8(ascii: " ") && $0 != 9 }
        if node.span.isEmpty, line.map({ lines.bytes[$0] }) != UInt8(ascii: ":") {
            throw Refusal(
                place: before, reason: "something stands between the key and where its value goes")
        }
        // An anchor of nothing stays, and becomes one of what is written.
        if !node.span.isEmpty, lines.bytes[before] == UInt8(ascii: "&") {
            return [.insert(" " + text, at: node.span.upperBound)]
        }
        let needsBlank = before > 0 && lines.bytes[before - 1] == UInt8(ascii: ":")
        return [SourceLines.Change(node.span, needsBlank ? " " + text : text)]
    }

    private func addInBrackets(
        _ text: String, _ members: [Range<Int>], in node: SourceNode, after position: Int?
    ) throws(Refusal) -> [SourceLines.Change] {
        let close = node.span.upperBound - 1
        guard let last = position.map({ members[$0] }) ?? members.last else {
            return [.insert(text, at: close)]
        }
        let end = last.upperBound
        let ownLine = lines.indentation(before: last.lowerBound)
        let isLast = position == nil || position == members.count - 1
        guard let indent = ownLine, isLast, lines.number(of: close) > lines.number(of: end) else {
            return [.insert(", " + text, at: end)]
        }
        let ending = lines.ending(of: end)
        guard let next = lines.significant(from: end) else {
            throw Refusal(place: end, reason: "the end of the list cannot be made out")
        }
        if lines.bytes[next] == UInt8(ascii: ",") {
            guard lines.isRestFree(after: next + 1) else {
                return [.insert(", " + text, at: end)]
            }
            return [.insert(indent + text + "," + ending, at: lines.end(of: next))]
        }
        guard lines.isRestFree(after: end) else { return [.insert(", " + text, at: end)] }
        return [
            .insert(",", at: end), .insert(indent + text + ending, at: lines.end(of: end)),
        ]
    }

    private func addLines(
        _ members: [Range<Int>], after position: Int?, _ text: (String) -> [String]
    ) throws(Refusal) -> [SourceLines.Change] {
        guard let last = position.map({ members[$0] }) ?? members.last else { return [] }
        let indent = try indentation(of: last)
        let end = lines.trimmed(last.upperBound, notBefore: last.lowerBound)
        guard lines.isRestFree(after: end) else {
            throw Refusal(place: end, reason: "something else follows on the same line")
        }
        let ending = lines.ending(of: end)
        let new = text(indent).joined(separator: ending)
        var place = lines.end(of: end)
        if !lines.isUnended(end) {
            place = lines.pastDeeperComments(place, than: indent.utf8.count)
        }
        if place == lines.bytes.count && lines.bytes.last != UInt8(ascii: "\n") {
            guard lines.bytes.last != UInt8(ascii: "\r") else {
                throw Refusal(place: end, reason: "the file ends with half of a line ending")
            }
            return [.insert(ending + new, at: place)]
        }
        return [.insert(new + ending, at: place)]
    }

    private func indentation(of member: Range<Int>) throws(Refusal) -> String {
        guard let indent = lines.indentation(before: member.lowerBound) else {
            throw Refusal(
                place: member.lowerBound, reason: "something else stands before it on the line")
        }
        return indent
    }

    /// Where the dash of a list's item is.
    private func dash(of item: SourceNode) throws(Refusal) -> Int {
        let start = lines.start(of: item.span.lowerBound)
        let place = lines.significant(from: start) ?? start
        guard place < item.span.lowerBound, lines.bytes[place] == UInt8(ascii: "-"),
            lines.bytes[(place + 1)..<item.span.lowerBound].allSatisfy({ $0 == 32 || $0 == 9 })
        else {
            throw Refusal(
                place: item.span.lowerBound, reason: "the item does not begin beside its dash")
        }
        return place
    }

    // MARK: Taking away

    /// Takes a field out of a mapping.
    func remove(
        _ position: Int, from node: SourceNode
    ) throws(Refusal) -> [SourceLines.Change] {
        guard let entries = node.entries, node.style != .pair else { throw unfit(node) }
        let members = entries.map { $0.key.span.lowerBound..<$0.value.span.upperBound }
        if node.style == .flow { return try removeInBrackets(position, members, in: node) }
        // The first field of a list's item stands beside the dash, and the next one takes its place.
        if lines.indentation(before: members[position].lowerBound) == nil,
            position + 1 < members.count
        {
            let gap = members[position].lowerBound..<members[position + 1].lowerBound
            guard !lines.mayHoldComment(gap) else {
                throw Refusal(place: gap.lowerBound, reason: "a comment stands within it")
            }
            return [SourceLines.Change(gap)]
        }
        return [try removeLines(members[position])]
    }

    /// Takes an item out of a list.
    func removeItem(
        _ position: Int, from node: SourceNode
    ) throws(Refusal) -> [SourceLines.Change] {
        guard let items = node.items else { throw unfit(node) }
        if node.style == .flow {
            return try removeInBrackets(position, items.map(\.span), in: node)
        }
        let item = items[position]
        return [try removeLines(try dash(of: item)..<item.span.upperBound)]
    }

    private func removeLines(_ member: Range<Int>) throws(Refusal) -> SourceLines.Change {
        let indent = try indentation(of: member)
        let end = lines.trimmed(member.upperBound, notBefore: member.lowerBound)
        guard lines.isRestFree(after: end) else {
            throw Refusal(place: end, reason: "something else follows on the same line")
        }
        var start = lines.start(of: member.lowerBound)
        var stop = lines.end(of: end)
        if lines.isUnended(end) {
            // The line before becomes the last, and has no ending either.
            if start > 0 { start -= lines.ending(of: start - 1).utf8.count }
        } else {
            stop = lines.pastDeeperComments(stop, than: indent.utf8.count)
        }
        return SourceLines.Change(start..<stop)
    }

    private func removeInBrackets(
        _ position: Int, _ members: [Range<Int>], in node: SourceNode
    ) throws(Refusal) -> [SourceLines.Change] {
        let member = members[position]
        if members.count == 1 { return [SourceLines.Change(emptied(member, in: node))] }
        let isLast = position == members.count - 1
        let comma = lines.significant(from: member.upperBound).flatMap {
            lines.bytes[$0] == UInt8(ascii: ",") ? $0 : nil
        }
        let after = comma.map { $0 + 1 } ?? member.upperBound
        if lines.indentation(before: member.lowerBound) != nil, lines.isRestFree(after: after),
            lines.number(of: after) < lines.number(of: node.span.upperBound - 1)
        {
            let line = SourceLines.Change(
                lines.start(of: member.lowerBound)..<lines.end(of: after))
            guard isLast, comma == nil else { return [line] }
            let before = try self.comma(after: members[position - 1])
            return [SourceLines.Change(before..<before + 1), line]
        }
        let gap =
            position > 0
            ? members[position - 1].upperBound..<member.upperBound
            : member.lowerBound..<members[1].lowerBound
        guard !lines.mayHoldComment(gap) else {
            throw Refusal(place: gap.lowerBound, reason: "a comment stands beside it")
        }
        return [SourceLines.Change(gap)]
    }

    /// What goes with the only member: the braces too, where they were written around it by ``fill(_:_:)``.
    private func emptied(_ member: Range<Int>, in node: SourceNode) -> Range<Int> {
        guard let start = padding(of: node), start > 0,
            lines.bytes[start - 1] == UInt8(ascii: " ")
        else { return member }
        return (start - 1)..<node.span.upperBound
    }

    /// Whether a mapping in braces has one field with one blank on either side, as this editor writes it.
    func isPadded(_ node: SourceNode) -> Bool { padding(of: node) != nil }

    /// Where the brace of such a mapping is, behind any anchor; nil for another one.
    private func padding(of node: SourceNode) -> Int? {
        guard node.style == .flow, let entries = node.entries, entries.count == 1 else {
            return nil
        }
        let blank = UInt8(ascii: " ")
        let start = entries[0].key.span.lowerBound - 2
        let isOurs =
            start >= node.span.lowerBound && lines.bytes[start] == UInt8(ascii: "{")
            && lines.bytes[start + 1] == blank && lines.bytes[node.span.upperBound - 2] == blank
            && entries[0].value.span.upperBound == node.span.upperBound - 2
        return isOurs ? start : nil
    }

    private func comma(after member: Range<Int>) throws(Refusal) -> Int {
        guard let place = lines.significant(from: member.upperBound),
            lines.bytes[place] == UInt8(ascii: ",")
        else {
            throw Refusal(place: member.upperBound, reason: "the comma after it cannot be found")
        }
        return place
    }
}
