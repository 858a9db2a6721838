import NIOCore
import SallyportCore

/// Holds back the end of one growing text until it has been read: nothing leaves before the sentence it belongs to was inspected.
///
/// A value without clock or loop; the caller says when text came and when the declared delay is over. All offsets are UTF-8 bytes
/// from the start of the text.
package struct StreamHold: Sendable {
    /// What an evaluation allows.
    package struct Release: Sendable {
        /// Everything before this offset may go.
        package var cleared: Int
        /// Changes to the part that was cleared just now. Ranges lie within the text that had not gone yet.
        package var edits: [TextEdit] = []
        package var action = GuardAction.allow
        package var findings: [DecidedFinding] = []
    }

    private var window = ByteBuffer()
    /// Where `window` begins in the whole text.
    private var windowStart = 0
    private(set) package var cleared = 0
    private(set) package var end = 0
    private var isASCII = true
    private var evaluatedEnd = 0
    private let origin: PassageOrigin
    /// Do not look for sentences: the text has no meaning before it is whole (tool arguments).
    private let isWhole: Bool
    private let maximumBytes: Int
    /// What stays back when there is too much text without a sentence's end.
    private let reserve: Int
    /// A word may be the beginning, or the middle, of a phrase that is looked for.
    private let goesOn: (@Sendable (UnsafeRawBufferPointer) -> Bool)?
    /// How far a forced reading has come: without new text another one would find the same.
    private var forcedEnd = 0
    /// Code points before ``cleared``.
    private(set) package var clearedCodePoints = 0
    /// An unbroken run (an encoded payload) is kept for decoding up to this length.
    private static let longestRun = 65_536

    /// Enough for everything that the built-in detectors look for and that may hold blanks (a spaced account number, an address).
    package static let shortReserve = 256

    /// - Parameters:
    ///   - reserve: longer than whatever is looked for and may be cut at a blank.
    ///   - goesOn: whether a word belongs to a phrase that is looked for; nil: nobody looks for phrases.
    package init(
        origin: PassageOrigin, maximumBytes: Int, isWhole: Bool = false, reserve: Int = GuardEngine.overlap,
        goesOn: (@Sendable (UnsafeRawBufferPointer) -> Bool)? = nil
    ) {
        self.goesOn = goesOn
        self.reserve = reserve
        self.origin = origin
        self.maximumBytes = maximumBytes
        self.isWhole = isWhole
    }

    package var held: Int { end - cleared }

    /// Code points of the whole text so far.
    package var codePoints: Int { clearedCodePoints + countCodePoints(cleared..<end) }

    /// The declared delay would lead to something: there is text that no forced reading has seen.
    package var awaitsForce: Bool { held > 0 && end > forcedEnd && !isWhole }

    package mutating func append(_ text: ByteBuffer, isASCII: Bool) {
        window.writeImmutableBuffer(text)
        end += text.readableBytes
        self.isASCII = self.isASCII && isASCII
    }

    /// True when something could be released, or must be looked at.
    package var wantsEvaluation: Bool {
        guard end > evaluatedEnd else { return false }
        if isWhole { return false }
        // Each time more at once, so that a long unbroken run costs linear, not quadratic, work.
        if held >= maximumBytes { return end - evaluatedEnd >= max(512, held / 4) }
        return window.withUnsafeReadableBytes { SentenceBoundary.lastCut(in: $0, from: max(cleared, evaluatedEnd) - windowStart) } != nil
    }

    /// Reads what is held, together with the overlap that has gone before it.
    /// - Parameters:
    ///   - isFinal: the text is complete: all of it is released or changed.
    ///   - isForced: the declared delay is over.
    ///   - inspect: reads the window; its meaning need only be read from the given byte on, a little before what has not gone yet.
    package mutating func evaluate(
        isFinal: Bool, isForced: Bool = false, inspect: (_ window: Passage, _ meaningFrom: Int) -> PassageVerdict
    ) -> Release {
        guard end > cleared else { return Release(cleared: end) }
        let verdict = inspect(Passage(window, origin: origin, isASCII: isASCII), meaningStart)
        evaluatedEnd = end
        if isForced { forcedEnd = end }
        var cut = end
        if !isFinal { cut = min(end, provisionalCut(isForced: isForced)) }
        if !isFinal {
            // A finding at the very end may go on; one across the cut is not torn.
            for found in verdict.findings where found.action > .annotate {
                let range = absolute(found.finding.range)
                if range.lowerBound < cut && (range.upperBound > cut || range.upperBound == end) { cut = max(cleared, range.lowerBound) }
            }
        }
        // Nothing from the offending sentence on may go.
        let offences = verdict.findings.filter {
            $0.action == .block && $0.mode == .enforce && absolute($0.finding.range).upperBound > cleared
        }
        if let first = offences.map({ absolute($0.finding.range).lowerBound }).min() { cut = sentenceStart(before: min(first, cut)) }
        var release = Release(cleared: cut, action: verdict.action)
        release.findings = verdict.findings.filter {
            let range = absolute($0.finding.range)
            return range.upperBound > cleared && range.lowerBound < cut
        }
        if !offences.isEmpty {
            release.findings += offences.filter { !release.findings.contains($0) }
        } else if verdict.action == .block {
            // The offence lies in what has gone; it was dealt with then.
            release.action = .redact
        }
        for edit in verdict.edits {
            let range = absolute(edit.range)
            guard range.upperBound > cleared, range.lowerBound < cut else { continue }
            if range.lowerBound >= cleared {
                release.edits.append(TextEdit(range: range.lowerBound..<min(range.upperBound, cut), replacement: edit.replacement))
            } else {
                release.edits.append(TextEdit(range: cleared..<min(range.upperBound, cut), replacement: []))
            }
        }
        release.findings = release.findings.map { placed($0) }
        clearedCodePoints += countCodePoints(cleared..<cut)
        cleared = cut
        forget()
        return release
    }

    /// How much of what has gone is read again, so that what follows is understood.
    private static let meaningOverlap = 160

    private var meaningStart: Int {
        let start = cleared - windowStart - StreamHold.meaningOverlap
        guard start > 0 else { return 0 }
        return window.withUnsafeReadableBytes { bytes in
            // From a word's beginning, if one is near.
            let near = bytes[start..<min(start + 40, bytes.count)].firstIndex { $0 == 0x20 || $0 == 0x0A }
            return near ?? characterStart(bytes, start)
        }
    }

    /// The last safe cut at or before an offset, never before what has gone.
    private func sentenceStart(before offset: Int) -> Int {
        guard offset > cleared else { return cleared }
        let from = cleared - windowStart
        let cut = window.withUnsafeReadableBytes { bytes in
            SentenceBoundary.lastCut(in: UnsafeRawBufferPointer(rebasing: bytes[..<(offset - windowStart)]), from: from)
        }
        return cut.map { $0 + windowStart } ?? cleared
    }

    private func countCodePoints(_ range: Range<Int>) -> Int {
        if isASCII || range.isEmpty { return range.count }
        return window.withUnsafeReadableBytes { bytes in
            bytes[range.lowerBound - windowStart..<range.upperBound - windowStart].reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        }
    }

    /// What annotations tell the place of has it in code points of the whole text.
    private func placed(_ decided: DecidedFinding) -> DecidedFinding {
        guard decided.finding.category.group == .groundedness else { return decided }
        let before = clearedCodePoints - countCodePoints(windowStart..<cleared)
        let range = absolute(decided.finding.range)
        let start = before + countCodePoints(windowStart..<range.lowerBound)
        return decided.placed(at: start..<start + countCodePoints(range))
    }

    private func absolute(_ range: Range<Int>) -> Range<Int> { range.lowerBound + windowStart..<range.upperBound + windowStart }

    private func provisionalCut(isForced: Bool) -> Int {
        if isWhole { return cleared }
        return window.withUnsafeReadableBytes { bytes in
            let from = cleared - windowStart
            let sentence = SentenceBoundary.lastCut(in: bytes, from: from)
            if isForced {
                let timed = SentenceBoundary.timedCut(in: bytes, from: from, mostKept: StreamHold.shortReserve, goesOn: goesOn)
                let cut = max(timed, sentence ?? from)
                if cut > from || held <= StreamHold.longestRun { return cut + windowStart }
            }
            if let sentence { return sentence + windowStart }
            guard held >= maximumBytes, held > reserve else { return cleared }
            let limit = bytes.count - reserve
            let cut = SentenceBoundary.forcedCut(in: bytes, from: from, limit: limit)
            if cut > from { return cut + windowStart }
            // One unbroken run: kept whole until it is too long to be kept.
            return held > StreamHold.longestRun ? characterStart(bytes, limit) + windowStart : cleared
        }
    }

    private func characterStart(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
        var offset = offset
        while offset > 0 && bytes[offset] & 0xC0 == 0x80 { offset -= 1 }
        return offset
    }

    /// Keeps the overlap before `cleared`; more when the text around it is one unbroken run.
    private mutating func forget() {
        var keepFrom = cleared - windowStart - GuardEngine.overlap
        guard keepFrom > GuardEngine.overlap else { return }
        keepFrom = window.withUnsafeReadableBytes { bytes in
            var start = keepFrom
            let floor = max(0, keepFrom - StreamHold.longestRun)
            while start > floor, bytes[start - 1] != 0x20, bytes[start - 1] != 0x0A { start -= 1 }
            return characterStart(bytes, start)
        }
        guard keepFrom > 0 else { return }
        window.moveReaderIndex(forwardBy: keepFrom)
        window.discardReadBytes()
        windowStart += keepFrom
    }
}
