import SallyportCore

extension GuardPolicy {
    /// What follows when a request's label is this high.
    package struct LabelAction: Sendable, Hashable {
        package enum Kind: String, Sendable, CaseIterable, Codable {
            case refuse
            /// Sensitive data and secrets are taken out of the prompt; what stays high for another reason is refused.
            case redact
            /// Another deployment answers.
            case route
        }
        package var from: SensitivityLabel
        package var kind: Kind
        /// For `route`.
        package var deployment: DeploymentID?
        package init(from: SensitivityLabel, kind: Kind, deployment: DeploymentID? = nil) {
            self.from = from
            self.kind = kind
            self.deployment = deployment
        }
    }

    /// A tool whose call has an effect outside of the conversation.
    package struct OutwardTool: Sendable, Hashable {
        /// What it does to the world.
        package enum Effect: String, Sendable, CaseIterable, Codable { case send, write, pay, fetch }
        /// What is done about a call that untrusted text had a hand in.
        package enum Reaction: String, Sendable, CaseIterable, Codable, Comparable {
            case allow, confirm, block
            private var strictness: Int { self == .allow ? 0 : self == .confirm ? 1 : 2 }
            package static func < (a: Reaction, b: Reaction) -> Bool { a.strictness < b.strictness }
        }
        /// When a call counts as steered.
        package enum Taint: String, Sendable, CaseIterable, Codable {
            /// Its arguments hold, or are made of, text of a document or a tool's result.
            case derived
            /// Any such text is in the conversation.
            case conversation
        }
        /// `*` stands for any letters; case does not count.
        package var name: String
        package var effect: Effect
        package var reaction: Reaction
        package var taint: Taint
        /// Of data that the tool may receive; nil: any.
        package var maximumLabel: SensitivityLabel?

        package init(
            name: String, effect: Effect, reaction: Reaction = .confirm, taint: Taint = .derived, maximumLabel: SensitivityLabel? = nil
        ) {
            self.name = name
            self.effect = effect
            self.reaction = reaction
            self.taint = taint
            self.maximumLabel = maximumLabel
        }

        package func isCalled(_ called: String) -> Bool {
            OutwardTool.matches(Array(called.lowercased().utf8), Array(name.lowercased().utf8))
        }

        /// Each pair of places is looked at once, however many stars.
        private static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
            var reached = [Bool](repeating: false, count: text.count + 1)
            reached[0] = true
            for mark in pattern {
                var next = [Bool](repeating: false, count: text.count + 1)
                if mark == UInt8(ascii: "*") {
                    var isOpen = false
                    for place in 0...text.count {
                        isOpen = isOpen || reached[place]
                        next[place] = isOpen
                    }
                } else {
                    for place in 0..<text.count where reached[place] && text[place] == mark { next[place + 1] = true }
                }
                reached = next
            }
            return reached[text.count]
        }
    }

    /// What the policy says for a label: of the rules that it reaches, the one that begins highest; of those, the strictest.
    package func labelAction(at label: SensitivityLabel) -> LabelAction? {
        labelActions.filter { $0.from <= label }.max { a, b in
            (a.from.rawValue, a.kind == .refuse ? 2 : a.kind == .route ? 1 : 0) < (
                b.from.rawValue, b.kind == .refuse ? 2 : b.kind == .route ? 1 : 0
            )
        }
    }

    /// All that the policy says of a tool.
    package func outwardTools(named name: String) -> [OutwardTool] { outwardTools.filter { $0.isCalled(name) } }

    /// This policy, with sensitive data and secrets taken out of prompts.
    package func redactingSensitiveData() -> GuardPolicy {
        var policy = self
        policy.rules += [
            Rule(.sensitive, direction: .prompt, minimumConfidence: 0.65, action: .redact),
            Rule(.secret, direction: .prompt, minimumConfidence: 0.65, action: .redact),
        ]
        return policy
    }
}
