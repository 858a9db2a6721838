import Yams

/// A place in a configuration file, and what is wrong there.
package struct ConfigurationMistake: Sendable, Hashable, CustomStringConvertible {
    package let file: String
    package let line: Int
    package let column: Int
    package let message: String
    package var description: String { "\(file):\(line):\(column): \(message)" }
}

/// Every mistake of a file at once.
package struct ConfigurationMistakes: Error, Sendable, CustomStringConvertible {
    package let mistakes: [ConfigurationMistake]
    package var description: String { mistakes.map(\.description).joined(separator: "\n") }
}

/// A file read against the list of keys: values by concrete path, each with its place.
struct ConfigurationTree {
    struct Value {
        let text: String
        let texts: [String]
        let count: Int
        let line: Int
        let column: Int
        /// A variable in it that is not set.
        let unset: String?
    }

    private(set) var values: [String: Value] = [:]
    /// Names under a `*`, in the order of the file: `upstreams` → [aoai, documents].
    private(set) var names: [String: [(name: String, line: Int, column: Int)]] = [:]
    private(set) var mistakes: [ConfigurationMistake] = []
    /// Secrets that are to come from elsewhere, by the path of their key.
    private(set) var references: [String: SecretReference] = [:]
    /// How those were when they were read.
    private(set) var stamps = SecretStamps()
    /// Paths of secrets that stand in the file itself.
    private(set) var literalSecrets: [String] = []
    private let file: String
    private let environment: [String: String]
    private let secrets: (String) -> String?

    /// - Parameters:
    ///   - stamps: what is known of the vault's secrets, and of files that were read before.
    ///   - secrets: the vault's secrets by name; nil where there is none of that name.
    init(
        _ yaml: String, file: String, environment: [String: String], stamps: SecretStamps = SecretStamps(),
        secrets: @escaping (String) -> String? = { _ in nil }
    ) {
        self.stamps = stamps
        self.file = file
        self.environment = environment
        self.secrets = secrets
        var yaml = yaml
        while true {
            do {
                switch try Yams.compose(yaml: yaml) {
                case nil: report("the file is empty", nil)
                case .mapping(let mapping)?: walk(mapping, concrete: "", pattern: "")
                case let other?: report("the file must be a map of sections", other.mark)
                }
                return
            } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
                let key = duplicates.first.map { "\($0)" } ?? ""
                let second = Second(of: key, line: context.mark.line, column: context.mark.column, in: yaml)
                mistakes.append(
                    ConfigurationMistake(
                        file: file, line: second?.line ?? context.mark.line, column: context.mark.column,
                        message: "a key stands twice: \(key)"))
                // The rest of the file is looked at all the same.
                guard let second, mistakes.count < 100 else { return }
                yaml = second.rest
            } catch {
                let mistake = (error as? YamlError).map { ConfigurationTree.mistake($0, file: file, yaml: yaml) }
                mistakes.append(mistake ?? ConfigurationMistake(file: file, line: 1, column: 1, message: "is not valid YAML"))
                return
            }
        }
    }

    mutating func report(_ message: String, _ mark: Mark?) {
        mistakes.append(ConfigurationMistake(file: file, line: mark?.line ?? 1, column: mark?.column ?? 1, message: message))
    }

    mutating func report(_ message: String, at path: String) {
        let value = values[path]
        mistakes.append(
            ConfigurationMistake(file: file, line: value?.line ?? 1, column: value?.column ?? 1, message: "\(path): \(message)"))
    }

    /// At the first value below a map.
    mutating func report(_ message: String, under base: String) {
        let first = values.filter { $0.key.hasPrefix(base + ".") }.min {
            ($0.value.line, $0.value.column) < ($1.value.line, $1.value.column)
        }
        report("'\(base)' \(message)", line: first?.value.line ?? 1, column: first?.value.column ?? 1)
    }

    mutating func report(_ message: String, line: Int, column: Int) {
        mistakes.append(ConfigurationMistake(file: file, line: line, column: column, message: message))
    }

    // MARK: Walking

    private mutating func walk(_ mapping: Node.Mapping, concrete: String, pattern: String) {
        var seen: Set<String> = []
        for (keyNode, value) in mapping {
            guard let key = keyNode.string else {
                report("a key must be a text", keyNode.mark)
                continue
            }
            guard seen.insert(key).inserted else {
                report("'\(key)' stands here twice", keyNode.mark)
                continue
            }
            let here = concrete.isEmpty ? key : "\(concrete).\(key)"
            let options = ConfigurationTree.children(of: pattern)
            let step = options.contains(key) ? key : options.contains("*") ? "*" : nil
            guard let step else {
                let hint = ConfigurationTree.nearest(key, among: options).map { ": did you mean '\($0)'?" } ?? ""
                report("'\(here)' is not known\(hint)", keyNode.mark)
                continue
            }
            let place = pattern.isEmpty ? step : "\(pattern).\(step)"
            if step == "*", !ConfigurationValues.isName(key) {
                report("a name in '\(pattern)' must be of letters, digits and . _ - : @", keyNode.mark)
                continue
            }
            if step == "*" {
                names[concrete, default: []].append((key, keyNode.mark?.line ?? 1, keyNode.mark?.column ?? 1))
            }
            if let known = ConfigurationKey.all.first(where: { $0.path == place }) {
                read(value, as: known, at: here, key: keyNode.mark)
            } else if case .mapping(let inner) = value {
                walk(inner, concrete: here, pattern: place)
            } else if case .scalar(let scalar) = value, scalar.string.isEmpty || scalar.string == "null" || scalar.string == "~" {
                continue
            } else {
                report("'\(here)' must be a map", value.mark)
            }
        }
    }

    private mutating func read(_ node: Node, as key: ConfigurationKey, at path: String, key mark: Mark?) {
        switch (key.kind, node) {
        case (.prefixes, .sequence(let sequence)), (.digests, .sequence(let sequence)), (.texts, .sequence(let sequence)),
            (.networks, .sequence(let sequence)):
            var texts: [String] = []
            var unset: String?
            for element in sequence {
                guard case .scalar(let scalar) = element else { return report("'\(path)' must be a list of texts", element.mark) }
                guard let value = text(of: scalar, as: key.kind, at: path) else { return }
                unset = unset ?? value.unset
                if value.unset == nil { texts.append(value.text) }
            }
            store(path, node, texts: texts, unset: unset)
        case (.objects, .sequence(let sequence)):
            for (index, element) in sequence.enumerated() {
                guard case .mapping(let inner) = element else { return report("'\(path)' must be a list of maps", element.mark) }
                walk(inner, concrete: "\(path)[\(index)]", pattern: "\(key.path)[]")
            }
            store(path, node, count: sequence.count)
        case (.prefixes, _), (.digests, _), (.texts, _), (.networks, _), (.objects, _): report("'\(path)' must be a list", mark)
        case (_, .scalar(let scalar)):
            guard let value = text(of: scalar, as: key.kind, at: path) else { return }
            store(path, node, text: value.text, unset: value.unset)
        default: report("'\(path)' must be \(key.kindName)", mark)
        }
    }

    /// A value with its variables filled in; nil after reporting what is wrong with it.
    private mutating func text(of scalar: Node.Scalar, as kind: ConfigurationKey.Kind, at path: String) -> (text: String, unset: String?)? {
        guard let value = substituted(scalar.string) else {
            report("'\(path)' holds a '${' without a variable's name and '}' (write $${ for a plain one)", scalar.mark)
            return nil
        }
        if kind.isSecret, value.unset == nil {
            if let reference = SecretReference(value.text) { return text(of: reference, as: kind, at: path, scalar.mark) }
            if !scalar.string.contains("${") { literalSecrets.append(path) }
        }
        if let variable = value.unset {
            // An upstream can be down; everything else would silently fall back to its default, a policy or a limit included.
            guard path.hasPrefix("upstreams."), ![".kind", ".documents", ".index"].contains(where: path.hasSuffix) else {
                report("'\(path)' needs the variable \(variable), which is not set", scalar.mark)
                return nil
            }
            return value
        }
        guard let reason = ConfigurationValues.mistake(in: value.text, as: kind) else { return value }
        // A value from the environment may be a secret that got to the wrong place.
        if case .choice(let values) = kind, value.text == scalar.string, ConfigurationValues.isName(value.text) {
            let hint = Self.nearest(value.text, among: Set(values)).map { ": did you mean '\($0)'?" } ?? ""
            report("'\(path)' \(reason), not '\(value.text)'\(hint)", scalar.mark)
        } else {
            report("'\(path)' \(reason)", scalar.mark)
        }
        return nil
    }

    /// A secret from a file or from the vault; nil after reporting. What is in it is never repeated.
    private mutating func text(
        of reference: SecretReference, as kind: ConfigurationKey.Kind, at path: String, _ mark: Mark?
    ) -> (text: String, unset: String?)? {
        references[path] = reference
        let found: String
        switch reference {
        case .file(let name):
            stamps.noteFile(name)
            guard let content = SecretReference.content(of: name) else {
                report("'\(path)' names the file \(name), which cannot be read", mark)
                return nil
            }
            found = content
        case .vault(let name):
            guard !path.hasPrefix("vault.") else {
                report("'\(path)' opens the vault and cannot come from it", mark)
                return nil
            }
            guard let secret = secrets(name) else {
                guard path.hasPrefix("upstreams.") else {
                    report("'\(path)' needs the secret '\(name)', which the vault does not hold", mark)
                    return nil
                }
                return ("", "vault:\(name)")
            }
            found = secret
        }
        guard let reason = ConfigurationValues.mistake(in: found, as: kind) else { return (found, nil) }
        report("'\(path)' \(reason)", mark)
        return nil
    }

    private mutating func store(_ path: String, _ node: Node, text: String = "", texts: [String] = [], count: Int = 0, unset: String? = nil)
    {
        values[path] = Value(
            text: text, texts: texts, count: count, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, unset: unset)
    }

    /// `${NAME}` from the environment; `$${` stands for `${`. A variable without content counts as not set. nil: not well formed.
    private func substituted(_ text: String) -> (text: String, unset: String?)? {
        guard text.contains("${") else { return (text, nil) }
        var out = ""
        var unset: String?
        var rest = text[...]
        while let start = rest.range(of: "${") {
            if start.lowerBound > rest.startIndex, rest[rest.index(before: start.lowerBound)] == "$" {
                out += rest[..<rest.index(before: start.lowerBound)] + "${"
                rest = rest[start.upperBound...]
                continue
            }
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else { return nil }
            let name = String(rest[start.upperBound..<end])
            guard let first = name.utf8.first, !(0x30...0x39).contains(first),
                name.utf8.allSatisfy({
                    $0 == UInt8(ascii: "_") || $0 < 0x80 && Character(UnicodeScalar($0)).isLetter || (0x30...0x39).contains($0)
                })
            else { return nil }
            out += rest[..<start.lowerBound]
            if let value = environment[name], !value.isEmpty { out += value } else { unset = unset ?? name }
            rest = rest[rest.index(after: end)...]
        }
        return (out + rest, unset)
    }

    // MARK: The schema

    private static func children(of pattern: String) -> Set<String> {
        let prefix = pattern.isEmpty ? "" : pattern + "."
        var found: Set<String> = []
        for key in ConfigurationKey.all where key.path.hasPrefix(prefix) {
            let rest = key.path.dropFirst(prefix.count)
            let step = rest.prefix { $0 != "." }
            found.insert(step.hasSuffix("[]") ? String(step.dropLast(2)) : String(step))
        }
        return found
    }

    static func nearest(_ word: String, among options: Set<String>) -> String? {
        options.filter { $0 != "*" }.map { ($0, distance(word.lowercased(), $0.lowercased())) }.filter { $0.1 <= max(2, word.count / 3) }
            .min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
    }

    /// Levenshtein's.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = cost
            }
        }
        return row[b.count]
    }

    /// Where a key stands for the second time: the parser tells only where its map begins.
    private struct Second {
        let line: Int
        /// The file without that key and what is below it; every other line keeps its number.
        let rest: String

        /// nil where the map is written in one line.
        init?(of key: String, line first: Int, column: Int, in yaml: String) {
            var lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
            func depth(_ index: Int) -> Int { lines[index].prefix { $0 == " " }.count }
            let spellings = ["\(key):", "\"\(key)\":", "'\(key)':"]
            let found = lines.indices.filter { index in
                index + 1 >= first && depth(index) == column - 1
                    && spellings.contains { lines[index].dropFirst(column - 1).hasPrefix($0) }
            }
            guard found.count > 1 else { return nil }
            line = found[1] + 1
            var end = found[1] + 1
            while end < lines.count, lines[end].allSatisfy({ $0 == " " }) || depth(end) > column - 1 { end += 1 }
            for index in found[1]..<end { lines[index] = "" }
            rest = lines.joined(separator: "\n")
        }
    }

    /// The parser's words, and what they leave out: where that began which has no end, and what is wrong with a tab.
    private static func explain(_ problem: String, _ mark: Mark, _ context: YamlError.Context?, of yaml: String) -> String {
        let lines = yaml.split(separator: "\n", maxSplits: mark.line, omittingEmptySubsequences: false)
        let line = mark.line >= 1 && mark.line <= lines.count ? lines[mark.line - 1] : ""
        if line.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") {
            return "a tab stands at the line's beginning; YAML is indented with blanks"
        }
        if problem.hasPrefix("Maximum nesting level") { return "it is nested too deeply" }
        guard let context, context.mark.line < mark.line else { return problem }
        return "\(problem), \(context.text) that begins in line \(context.mark.line)"
    }

    private static func mistake(_ error: YamlError, file: String, yaml: String) -> ConfigurationMistake {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            ConfigurationMistake(
                file: file, line: mark.line, column: mark.column,
                message: "is not valid YAML: " + explain(problem, mark, context, of: yaml))
        case .reader(let problem, let offset, _, _):
            ConfigurationMistake(
                file: file, line: 1 + yaml.prefix(offset ?? 0).filter(\.isNewline).count, column: 1,
                message: "is not valid YAML: \(problem)")
        default: ConfigurationMistake(file: file, line: 1, column: 1, message: "is not valid YAML")
        }
    }
}
