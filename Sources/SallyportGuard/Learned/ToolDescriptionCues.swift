import SallyportCore

/// What a description of a tool says to the model beyond the tool's own use: that it is addressed as a model, that rules no longer hold,
/// that the user must not know, or what is to be taken along. Ordinary descriptions instruct too ("always call this first"), so the model's
/// score alone says little of them.
enum ToolDescriptionCues {
    private static let longest = 16_384

    private static let groups: [[[UInt8]]] = [
        [
            "assistant", "asistente", "assistente", "asystent", "language model", "ai:", "ai,", "the ai ", "to the model", "model:", "llm",
            "system:", "system message", "system prompt", "ассистент", "助手",
        ],
        [
            "ignore", "disregard", "forget", "override", "previous instructions", "prior instructions", "developer mode", "safety rules",
            "safety policy", "must not follow", "new task", "from now on", "ignoriere", "vergiss", "oublie", "ignora", "olvida",
            "zignoruj", "игнорируй", "忽略",
        ],
        [
            "tell the user", "mention this", "mention it", "show this", "inform the user", "reveal", "hide this", "hidden", "secretly",
            "silently", "without asking", "without confirmation", "without saying", "be bothered", "skip all", "already agreed", "prévenir",
            "verrate", "heimlich", "en secret", "en secreto", "di nascosto", "po cichu", "sem avisar", "不要告诉",
        ],
        [
            "~/.", "id_rsa", ".env", "password", "api key", "mcp.json", "bcc", "webhook", "chat history", "whole conversation",
            "entire conversation", "ganze gespräch", "toute la conversation", "conversación completa", "tutta la conversazione",
        ],
    ].map { $0.map { Array($0.utf8) } }

    /// How many of the four kinds a text has.
    static func count(in passage: Passage) -> Int {
        let text = passage.withBytes { bytes in bytes.prefix(longest).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 } }
        return groups.reduce(0) { count, group in group.contains { contains($0, in: text) } ? count + 1 : count }
    }

    private static func contains(_ word: [UInt8], in text: [UInt8]) -> Bool {
        guard text.count >= word.count, let first = word.first else { return false }
        return (0...text.count - word.count).contains { start in
            text[start] == first && text[start..<start + word.count].elementsEqual(word)
        }
    }
}
