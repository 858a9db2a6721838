import SallyportCore

/// When an assignment holds: a small language that always ends, has no side effects and no errors once it was read.
///
///     condition = and { "or" and }        and = unary { "and" unary }
///     unary     = "not" unary | "(" condition ")" | test
///     test      = attribute "==" text | attribute "!=" text | attribute ["not"] "in" "[" text { "," text } "]"
///
/// Attributes: `deployment`, `project`, `index`, `operation`, `label`, `client`, `network` (texts are CIDR ranges), `time` (UTC, texts such as
/// `08:00-18:00`; the end is outside, and a range may pass midnight), `weekday` (UTC, `mon` … `sun`). Other texts may hold `*`.
/// A test of something that the request does not have is false; `!=` and `not in` are the opposite of `==` and `in`.
package struct AccessCondition: Sendable, Hashable {
    package enum Attribute: String, Sendable, CaseIterable {
        case deployment, project, index, operation, label, client, network, time, weekday
    }

    /// What is wrong with a condition, and where.
    package struct Mistake: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    indirect enum Node: Sendable, Hashable {
        case any([Node])
        case all([Node])
        case not(Node)
        case texts(Attribute, [[UInt8]])
        case networks([AddressRange])
        /// Minutes of the day.
        case times([TimeRange])
        /// Monday is 0.
        case weekdays(Set<Int>)
    }

    struct TimeRange: Sendable, Hashable {
        let start: Int
        let end: Int
        func contains(_ minute: Int) -> Bool { start <= end ? minute >= start && minute < end : minute >= start || minute < end }
    }

    package static let maximumLength = 1024
    static let maximumTests = 64
    static let maximumDepth = 16

    package let text: String
    private let root: Node

    package init(_ text: String) throws(Mistake) {
        self.text = text
        guard text.utf8.count <= Self.maximumLength else { throw Mistake(description: "is longer than \(Self.maximumLength) bytes") }
        var parser = ConditionParser(text)
        root = try parser.condition()
    }

    package func holds(in context: AccessContext) -> Bool { Self.evaluate(root, context) }

    private static func evaluate(_ node: Node, _ context: AccessContext) -> Bool {
        switch node {
        case .any(let nodes): nodes.contains { evaluate($0, context) }
        case .all(let nodes): nodes.allSatisfy { evaluate($0, context) }
        case .not(let node): !evaluate(node, context)
        case .texts(let attribute, let patterns):
            if let value = context.value(of: attribute) {
                patterns.contains { Wildcard.matches($0, Array(value.utf8)) }
            } else {
                false
            }
        case .networks(let ranges):
            if let address = context.address { ranges.contains { $0.contains(address) } } else { false }
        case .times(let ranges):
            ranges.contains { $0.contains(Int((context.now % 86_400 + 86_400) % 86_400) / 60) }
        case .weekdays(let days):
            // 1 January 1970 was a Thursday.
            days.contains(Int(((context.now - (context.now % 86_400 + 86_400) % 86_400) / 86_400 % 7 + 7 + 3) % 7))
        }
    }
}

/// What a decision is made about.
package struct AccessContext: Sendable {
    package var deployment: DeploymentID?
    /// The deployment's project, else the caller's.
    package var project: ProjectID
    package var index: String?
    /// The operation's name (`ChatCompletions_Create`).
    package var operation: String
    /// The deployment's label.
    package var label: String?
    package var client: String?
    package var address: IPAddress?
    /// Seconds since 1970.
    package var now: Int64

    package init(
        deployment: DeploymentID? = nil, project: ProjectID = .default, index: String? = nil, operation: String = "",
        label: String? = nil, client: String? = nil, address: IPAddress? = nil, now: Int64
    ) {
        self.deployment = deployment
        self.project = project
        self.index = index
        self.operation = operation
        self.label = label
        self.client = client
        self.address = address
        self.now = now
    }

    func value(of attribute: AccessCondition.Attribute) -> String? {
        switch attribute {
        case .deployment: deployment?.rawValue
        case .project: project.rawValue
        case .index: index
        case .operation: operation
        case .label: label
        case .client: client
        case .network, .time, .weekday: nil
        }
    }
}
