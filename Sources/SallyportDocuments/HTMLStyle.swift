import SallyportCore

/// What a style sheet says about whether a text is seen.
struct HTMLStyle {
    var hiding: ParsedDocument.Hiding?
    var colour: Colour?
    /// nil: the page's white.
    var background: Colour?

    struct Colour: Equatable {
        var red, green, blue: Int
        static let white = Colour(red: 255, green: 255, blue: 255)
        /// Too near for an eye.
        func isLike(_ other: Colour) -> Bool {
            abs(red - other.red) <= 8 && abs(green - other.green) <= 8 && abs(blue - other.blue) <= 8
        }
    }

    /// - Returns: the style of what stands within, after these declarations.
    func applying(_ declarations: Substring) -> HTMLStyle {
        var style = self
        var isOutOfFlow = false
        var isFarAway = false
        for declaration in declarations.split(separator: ";").prefix(200) {
            let parts = declaration.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let name = HTMLStyle.word(parts[0])
            let value = HTMLStyle.word(parts[1]).replacing("!important", with: "")
            switch name {
            case "display": if value == "none" { style.hiding = style.hiding ?? .notDisplayed }
            case "visibility": if value == "hidden" || value == "collapse" { style.hiding = style.hiding ?? .notDisplayed }
            case "opacity": if let number = Double(value), number < 0.06 { style.hiding = style.hiding ?? .notDisplayed }
            case "font-size":
                if let size = HTMLStyle.pixels(value), size < 2 { style.hiding = style.hiding ?? .zeroSize }
            case "font": if value.hasPrefix("0") { style.hiding = style.hiding ?? .zeroSize }
            case "width", "height", "max-height", "max-width", "line-height":
                if let size = HTMLStyle.pixels(value), size <= 1, declarations.contains("hidden") || name == "line-height" {
                    style.hiding = style.hiding ?? .zeroSize
                }
            case "clip", "clip-path":
                if value.hasPrefix("rect(0") || value.hasPrefix("rect(1px") || value.hasPrefix("inset(100%") || value.hasPrefix("inset(50%")
                {
                    style.hiding = style.hiding ?? .zeroSize
                }
            case "text-indent": if let size = HTMLStyle.pixels(value), size < -500 { style.hiding = style.hiding ?? .offPage }
            case "position": isOutOfFlow = value == "absolute" || value == "fixed"
            case "left", "top", "right", "bottom", "margin-left", "margin-top":
                if let size = HTMLStyle.pixels(value), size < -500 { isFarAway = true }
            case "transform":
                if value.hasPrefix("scale(0") && !value.hasPrefix("scale(0.") { style.hiding = style.hiding ?? .zeroSize }
            case "color":
                if value == "transparent" {
                    style.hiding = style.hiding ?? .sameColour
                } else if let colour = HTMLStyle.colour(value) {
                    style.colour = colour
                }
            case "background", "background-color":
                if let colour = value.split(separator: " ").lazy.compactMap({ HTMLStyle.colour(String($0)) }).first {
                    style.background = colour
                } else if value.contains("url(") || value.contains("gradient") {
                    // What is behind the text cannot be told: take the text for visible.
                    style.background = Colour(red: -1000, green: -1000, blue: -1000)
                }
            default: break
            }
        }
        if isFarAway, isOutOfFlow || declarations.contains("margin") { style.hiding = style.hiding ?? .offPage }
        return style
    }

    /// Hidden by itself, or by standing in its own colour.
    var effective: ParsedDocument.Hiding? {
        if let hiding { return hiding }
        guard let colour, colour.isLike(background ?? .white) else { return nil }
        return .sameColour
    }

    private static func word(_ text: Substring) -> String {
        String(text.lowercased().filter { !$0.isNewline && $0 != "\t" }.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    /// CSS lengths in about pixels; nil for what depends on more than the declaration says.
    private static func pixels(_ value: String) -> Double? {
        let number = value.prefix { $0.isNumber || "+-.".contains($0) }
        guard let size = Double(number) else { return nil }
        switch value[number.endIndex...] {
        case "", "px": return size
        case "pt": return size * 4 / 3
        case "em", "rem": return size * 16
        case "%", "vw", "vh": return size * 10
        default: return nil
        }
    }

    static func colour(_ value: String) -> Colour? {
        switch value {
        case "white": return .white
        case "black": return Colour(red: 0, green: 0, blue: 0)
        case "snow", "ivory", "ghostwhite", "whitesmoke", "floralwhite": return Colour(red: 250, green: 250, blue: 250)
        default: break
        }
        if value.hasPrefix("#") {
            let digits = value.dropFirst().compactMap(\.hexDigitValue)
            switch digits.count {
            case 3, 4: return Colour(red: digits[0] * 17, green: digits[1] * 17, blue: digits[2] * 17)
            case 6, 8: return Colour(red: digits[0] * 16 + digits[1], green: digits[2] * 16 + digits[3], blue: digits[4] * 16 + digits[5])
            default: return nil
            }
        }
        guard value.hasPrefix("rgb"), let open = value.firstIndex(of: "("), let close = value.firstIndex(of: ")") else { return nil }
        let numbers = value[value.index(after: open)..<close].split { ", /".contains($0) }.compactMap { Int($0.prefix { $0.isNumber }) }
        guard numbers.count >= 3 else { return nil }
        return Colour(red: numbers[0], green: numbers[1], blue: numbers[2])
    }
}

/// The simple rules of a page's style sheets: those for one element name, class or id.
struct HTMLStyleSheet {
    private var rules: [String: String] = [:]

    mutating func add(_ text: String) {
        var text = text[...]
        var css = ""
        while let start = text.range(of: "/*") {
            css += text[..<start.lowerBound]
            text = text[start.upperBound...]
            guard let end = text.range(of: "*/") else {
                text = ""
                break
            }
            text = text[end.upperBound...]
        }
        css += text
        for rule in css.split(separator: "}").prefix(5000) {
            guard let open = rule.lastIndex(of: "{") else { continue }
            let declarations = rule[rule.index(after: open)...]
            // Within `@media screen {` too: the words before the last brace but one.
            let selectors = rule[..<open].split(separator: "{").last ?? ""
            for selector in selectors.split(separator: ",").prefix(100) {
                let name =
                    selector.drop(while: \.isWhitespace).lowercased()
                    .split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
                let simple = name.split(separator: ":").first.map(String.init) ?? ""
                guard !simple.isEmpty, !simple.hasPrefix("@"), simple.utf8.count <= 100 else { continue }
                let key = simple.hasPrefix(".") || simple.hasPrefix("#") ? simple : HTMLStyleSheet.key(of: simple)
                rules[key, default: ""] += ";" + declarations
            }
        }
    }

    /// `p.note` counts as `.note`: rather too much is taken for hidden than too little.
    private static func key(of selector: String) -> String {
        if let mark = selector.lastIndex(where: { $0 == "." || $0 == "#" }) { return String(selector[mark...]) }
        return selector
    }

    var isEmpty: Bool { rules.isEmpty }

    func apply(to style: HTMLStyle, element: String, classes: String?, id: String?) -> HTMLStyle {
        var style = style
        if let rule = rules[element] { style = style.applying(rule[...]) }
        for name in (classes ?? "").lowercased().split(whereSeparator: \.isWhitespace).prefix(50) {
            if let rule = rules[".\(name)"] { style = style.applying(rule[...]) }
        }
        if let id, let rule = rules["#\(id.lowercased())"] { style = style.applying(rule[...]) }
        return style
    }
}
