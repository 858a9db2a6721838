import Foundation
import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire
import Testing

@testable import SallyportGateway

/// No way around a guard: a marker in any string of any body, as a value or as a key, is found.
struct BodyReadingTests {
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let shape: TextShape
        let body: String
        var description: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "chat request", shape: Shapes.chatRequest,
            body: """
                {"model":"gpt-4o","messages":[{"role":"system","content":"be kind","name":"n"},{"role":"user","content":[{"type":"text","text":"hi"},\
                {"type":"image_url","image_url":{"url":"https://x.example/a.png","detail":"low"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},\
                {"type":"file","file":{"file_id":"file-1","filename":"f"}}]},{"role":"assistant","content":null,"refusal":"no","tool_calls":[{"id":"c1","type":"function",\
                "function":{"name":"f","arguments":"{\\"city\\":\\"Paris\\",\\"deep\\":[{\\"x\\":\\"y\\"}]}"}}]},{"role":"tool","tool_call_id":"c1","content":"sunny"},\
                {"role":"user","content":"bye"}],"stop":["a","b"],"user":"u","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object",\
                "properties":{"answer":{"type":"string","description":"d","enum":["e"]}}}}},"tools":[{"type":"function","function":{"name":"f","description":"desc",\
                "parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"metadata":{"k":"v"},\
                "prediction":{"type":"content","content":"p"},"unknown":{"a":["b",{"c":"d"}]}}
                """),
        Case(
            name: "chat answer", shape: Shapes.chatAnswer,
            body: """
                {"id":"i","object":"chat.completion","created":1,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",\
                "content":"text","refusal":"r","reasoning_content":"rc","tool_calls":[{"id":"t","type":"function","function":{"name":"n","arguments":"{\\"a\\":\\"b\\"}"}}],\
                "audio":{"id":"x","transcript":"tr"},"context":{"citations":[{"content":"c","title":"t"}]}},"logprobs":{"content":[{"token":"t","logprob":-1,"bytes":[1],\
                "top_logprobs":[{"token":"u","logprob":-2,"bytes":null}]}]},"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}],\
                "prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"x":{"severity":"safe"}}}],"extra":"e"}
                """),
        Case(
            name: "chat event", shape: Shapes.chatEvent,
            body: """
                {"id":"i","object":"o","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"c","refusal":"r","tool_calls":[{"index":0,"id":"t","type":"function",\
                "function":{"name":"n","arguments":"{\\"a\\""}}],"other":"o"},"finish_reason":"stop","logprobs":{"content":[{"token":"t","bytes":[1]}]}}],"x":"y"}
                """),
        Case(
            name: "completions request", shape: Shapes.completionsRequest,
            body: #"{"model":"m","prompt":["a","b"],"suffix":"s","stop":"x","user":"u","unknown":"w"}"#),
        Case(
            name: "completions answer", shape: Shapes.completionsAnswer,
            body:
                #"{"id":"i","choices":[{"text":"t","index":0,"finish_reason":"stop","logprobs":{"tokens":["a"],"top_logprobs":[{"b":-1}],"text_offset":[0]}}],"new":"n"}"#
        ),
        Case(
            name: "embeddings request", shape: Shapes.embeddingsRequest,
            body: #"{"model":"m","input":["a","b"],"user":"u","encoding_format":"float","x":"y"}"#),
        Case(
            name: "responses request", shape: Shapes.responsesRequest,
            body: """
                {"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"https://x.example/i.png"}]},{"type":"message",\
                "role":"assistant","content":"b"},{"type":"function_call","call_id":"c","name":"n","arguments":"{\\"k\\":\\"v\\"}"},{"type":"function_call_output","call_id":"c","output":"o"},\
                {"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"s"}]}],"instructions":"i","previous_response_id":"resp_1","tools":[{"type":"function","name":"f",\
                "description":"d","parameters":{"properties":{"p":{"description":"q"}}}}],"text":{"format":{"type":"json_schema","name":"n","schema":{"title":"t"}}},"metadata":{"a":"b"},"z":"y"}
                """),
        Case(
            name: "responses answer", shape: Shapes.responsesAnswer,
            body: """
                {"id":"resp_1","object":"response","status":"completed","error":{"code":"c","message":"m"},"output":[{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text",\
                "text":"t","annotations":[{"type":"url_citation","url":"https://u.example","title":"ti"}]},{"type":"refusal","refusal":"r"}]},{"type":"function_call","id":"f","name":"n",\
                "arguments":"{\\"a\\":\\"b\\"}"},{"type":"reasoning","summary":[{"text":"s"}]}],"instructions":"i","metadata":{"k":"v"},"new":"x"}
                """),
        Case(
            name: "responses event", shape: Shapes.responsesEvent("response.output_text.delta"),
            body:
                #"{"type":"response.output_text.delta","item_id":"i","delta":"d","logprobs":[{"token":"t"}],"response":{"id":"r","output":[{"type":"message","content":[{"type":"output_text","text":"t"}]}]},"item":{"type":"message","content":[]},"part":{"type":"output_text","text":"p"},"text":"done","new":"n"}"#
        ),
        Case(name: "images request", shape: Shapes.imagesRequest, body: #"{"model":"m","prompt":"p","size":"s","user":"u","x":"y"}"#),
        Case(
            name: "images answer", shape: Shapes.imagesAnswer,
            body: #"{"created":1,"data":[{"url":"https://i.example/x","revised_prompt":"r","new":"n"}]}"#),
        Case(
            name: "speech request", shape: Shapes.speechRequest, body: #"{"model":"m","input":"i","voice":"v","instructions":"x","n":"y"}"#),
        Case(
            name: "transcription", shape: Shapes.transcriptionAnswer,
            body: #"{"text":"t","segments":[{"text":"s"}],"words":[{"word":"w"}],"language":"en"}"#),
        Case(
            name: "batch request", shape: Shapes.batchRequest,
            body: #"{"input_file_id":"file-1","endpoint":"/chat/completions","completion_window":"24h","metadata":{"a":"b"},"x":"y"}"#),
        Case(
            name: "fine-tuning request", shape: Shapes.fineTuningRequest,
            body:
                #"{"model":"m","training_file":"file-1","suffix":"s","method":{"type":"dpo","x":"y"},"integrations":[{"wandb":{"project":"p"}}]}"#
        ),
        Case(
            name: "vector store request", shape: Shapes.vectorStoreRequest,
            body: #"{"name":"n","file_ids":["file-1"],"query":"q","filters":{"key":"k","value":"v"},"attributes":{"a":"b"}}"#),
        Case(
            name: "resource answer", shape: Shapes.resourceAnswer,
            body:
                #"{"id":"x","object":"file","filename":"f","status_details":"s","data":[{"content":[{"text":"t"}]}],"error":{"message":"m"}}"#
        ),
        Case(
            name: "error answer", shape: Shapes.errorAnswer,
            body: #"{"error":{"code":"c","message":"m","param":"p","type":"t","innererror":{"code":"x","extra":"e"}}}"#),
        Case(name: "any request", shape: Shapes.anyRequest, body: #"{"documents":[{"id":"1","text":"t","language":"en"}],"kind":"k"}"#),
    ]

    /// What no guard reads: encodings of numbers, pictures and sound, which the policy about uninspectable content speaks of.
    private static let opaqueMembers: Set<String> = ["data", "b64_json", "embedding", "bytes", "partial_image_b64", "file_data"]

    @Test(arguments: cases) func findsAMarkerInEveryPosition(_ example: Case) throws {
        let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(.block))
        let document = try JSONDocument(parsing: ByteBuffer(string: example.body))
        var positions = 0
        for (index, node) in document.nodes.enumerated() where node.kind == .string || node.kind == .key {
            for marker in ["say zyxwombat now", "zyxwombat", "zyxwombat-1"] {
                var edits = JSONEdits()
                edits.replace(node.start..<node.end, with: Array(marker.utf8))
                let planted = edits.apply(to: document.bytes)
                let changed = try JSONDocument(parsing: planted)
                let reading = BodyReading(
                    of: changed, as: example.shape, direction: example.name.contains("request") ? .prompt : .completion)
                if node.kind == .string, isOpaque(index, of: document), !reading.opaque.isEmpty { continue }
                #expect(inspector.inspect(reading.slots).isBlocked, "\(example.name): \(String(buffer: planted))")
                positions += 1
            }
        }
        #expect(positions > 10)
    }

    /// Inside a string that holds JSON too.
    @Test func findsAMarkerInsideToolArguments() throws {
        let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(.mask))
        let body =
            #"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"x \\u007ayxwombat \\\"y\\\"\",\"n\":4111111111111111}"}}]}]}"#
        let document = try JSONDocument(parsing: ByteBuffer(string: body))
        let outcome = inspector.inspect(BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots)
        let masked = outcome.edits.apply(to: document.bytes)
        let text = String(buffer: masked)
        #expect(text.contains(#"{\"a\":\"x ********* \\\"y\\\"\",\"n\":4111111111111111}"#), "\(text)")
        let outer = try JSONDocument(parsing: masked)
        let arguments = outer.nodes.indices.compactMap { outer.string($0) }.first { $0.hasPrefix("{\"a\"") }
        _ = try JSONDocument(parsing: ByteBuffer(string: try #require(arguments)))
    }

    @Test func blocksAKeyThatWouldHaveToBeMasked() throws {
        let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(.mask))
        let document = try JSONDocument(parsing: ByteBuffer(string: #"{"messages":[],"zyxwombat":1}"#))
        #expect(inspector.inspect(BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots).isBlocked)
    }

    /// Names of tools and functions are the caller's and the model's words; a changed one would name another function.
    @Test(arguments: [
        (#"{"tools":[{"type":"function","function":{"name":"NAME"}}]}"#, "request"),
        (#"{"tools":[{"type":"function","name":"NAME"}]}"#, "request"),
        (#"{"functions":[{"name":"NAME"}]}"#, "request"),
        (#"{"tool_choice":{"type":"function","function":{"name":"NAME"}}}"#, "request"),
        (#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"NAME","arguments":"{}"}}]}]}"#, "request"),
        (#"{"choices":[{"index":0,"message":{"tool_calls":[{"id":"c","function":{"name":"NAME","arguments":"{}"}}]}}]}"#, "answer"),
    ]) func readsNamesOfFunctionsAsText(_ body: String, _ side: String) throws {
        let encoded = Base64.encode(Array("zyxwombat is the word".utf8)).replacing("=", with: "")
        for (action, name) in [(GuardAction.block, encoded), (.mask, encoded), (.mask, "get_zyxwombat"), (.redact, "z-y-x-w-o-m-b-a-t")] {
            let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(action))
            let document = try JSONDocument(parsing: ByteBuffer(string: body.replacing("NAME", with: name)))
            let isRequest = side == "request"
            let outcome = inspector.inspect(
                BodyReading(
                    of: document, as: isRequest ? Shapes.chatRequest : Shapes.chatAnswer, direction: isRequest ? .prompt : .completion
                ).slots)
            #expect(outcome.isBlocked, "\(name) in \(body)")
        }
    }

    @Test func findsAMarkerSplitOverTwoMessages() throws {
        let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(.block))
        for body in [
            #"{"messages":[{"role":"user","content":"please zyxw"},{"role":"user","content":"ombat it"}]}"#,
            #"{"messages":[{"role":"user","content":"please zyxw"},{"role":"assistant","content":"what?"},{"role":"user","content":"ombat it"}]}"#,
            #"{"messages":[{"role":"user","content":[{"type":"text","text":"zyx"},{"type":"text","text":"wombat"}]}]}"#,
        ] {
            let document = try JSONDocument(parsing: ByteBuffer(string: body))
            #expect(inspector.inspect(BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots).isBlocked, "\(body)")
        }
    }

    @Test func findsAnEncodedMarkerTwoLayersDeep() throws {
        // base64(base64("zyxwombat is the word to find")), in the middle of a paragraph.
        let inner = Base64.encode(Array("zyxwombat is the word to find".utf8))
        let outer = Base64.encode(Array(inner.utf8))
        let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(.block))
        let document = try JSONDocument(
            parsing: ByteBuffer(
                string: "{\"messages\":[{\"role\":\"user\",\"content\":\"Some words before \(outer) and some words after.\"}]}"))
        #expect(inspector.inspect(BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots).isBlocked)
        let half = outer.index(outer.startIndex, offsetBy: outer.count / 2)
        let split = try JSONDocument(
            parsing: ByteBuffer(
                string:
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"Before \(outer[..<half])\"},{\"role\":\"user\",\"content\":\"\(outer[half...]) after.\"}]}"
            ))
        #expect(inspector.inspect(BodyReading(of: split, as: Shapes.chatRequest, direction: .prompt).slots).isBlocked)
    }

    @Test(arguments: [
        Base64.encode(Array("zyxwombat is the word to find".utf8)).replacingOccurrences(of: "=", with: ""),
        "call_" + Base64.encode(Array("say zyxwombat".utf8)).replacingOccurrences(of: "=", with: ""),
        Hex.encode(Array("find the zyxwombat".utf8)),
    ])
    func readsAWordInTheClothesOfAnId(_ id: String) throws {
        #expect(id.utf8.count <= 96)
        let inspector = BodyInspector(engine: try Fixture.engine(), context: Fixture.context(.block))
        let document = try JSONDocument(
            parsing: ByteBuffer(string: "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"\(id)\",\"content\":\"sunny\"}]}"))
        #expect(inspector.inspect(BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots).isBlocked)
    }

    /// Ids as providers make them stay ids: read as they stand, and numbers in them are nobody's.
    @Test func takesNoRealIdForAText() throws {
        var random = SystemRandomNumberGenerator()
        func word(_ alphabet: String, _ count: Int) -> String {
            let letters = Array(alphabet)
            return String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
        }
        let (digits, small) = ("0123456789", "abcdefghijklmnopqrstuvwxyz")
        let all = digits + small + small.uppercased()
        var texts = 0
        let rounds = 500
        for _ in 0..<rounds {
            let ids = [
                "chatcmpl-" + word(all, 29), "call_" + word(all, 24), "resp_" + word("0123456789abcdef", 48), "msg_" + word(all, 24),
                "fp_" + word("0123456789abcdef", 10), "file-" + word(all, 24), "assistant-" + word(all, 22), UUID().uuidString,
                UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: ""), word("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
                "ftjob-" + word(all, 24), "gpt-4o-mini-2024-07-18", "ft:gpt-4o-mini-2024-07-18:my-org::" + word(all, 8), word(digits, 20),
                "toolu_" + word(all, 24),
            ]
            for id in ids where EncodedWord.holdsText(ByteBuffer(string: id)) { texts += 1 }
        }
        // By chance alone, and then it is only read more closely.
        #expect(texts <= 15 * rounds / 1000)
    }

    @Test func findsAnIdHoweverItIsWritten() throws {
        for spelled in ["vs_foreign", "\\u0076s_foreign", "v\\u0073\\u005fforeign"] {
            let document = try JSONDocument(
                parsing: ByteBuffer(string: "{\"messages\":[],\"unknown\":{\"stores\":[\"\(spelled)\"]}}"))
            let references = BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).references
            #expect(references.map(\.id) == ["vs_foreign"], "\(spelled)")
        }
    }

    @Test func losesNoIdAmongManyOthers() throws {
        func reading(_ count: Int) throws -> BodyReading {
            let ids = (0..<count).map { "\"vs_\($0)\"" }.joined(separator: ",")
            let document = try JSONDocument(parsing: ByteBuffer(string: "{\"messages\":[],\"unknown\":[\(ids),\"vs_last\",\"vs_last\"]}"))
            return BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt)
        }
        let many = try reading(2048)
        #expect(many.references.last?.id == "vs_last" && many.references.count == 2049 && !many.mentionsTooMuch)
        #expect(try reading(5000).mentionsTooMuch)
    }

    @Test func saysThatAVerdictIsIncompleteWhenAGuardFails() throws {
        let engine = try Fixture.engine([MarkerDetector(), BrokenDetector()])
        let document = try JSONDocument(parsing: ByteBuffer(string: #"{"messages":[{"role":"user","content":"hello"}]}"#))
        let slots = BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots
        #expect(!BodyInspector(engine: engine, context: Fixture.context(.block)).inspect(slots).verdict.isComplete)
        var open = Fixture.policy(.block)
        open.settings["broken"] = {
            var settings = GuardPolicy.GuardSettings(); settings.onFailure = .open; return settings
        }()
        let outcome = BodyInspector(engine: engine, context: GuardEngine.Context(policy: open)).inspect(slots)
        #expect(outcome.verdict.isComplete)
        #expect(outcome.verdict.reports["broken"]?.outcome == .failed)
    }

    @Test func recordsWithoutActingInShadowMode() throws {
        var policy = Fixture.policy(.block)
        policy.settings["marker"] = {
            var settings = GuardPolicy.GuardSettings(); settings.mode = .shadow; return settings
        }()
        let inspector = BodyInspector(engine: try Fixture.engine(), context: GuardEngine.Context(policy: policy))
        let document = try JSONDocument(parsing: ByteBuffer(string: #"{"messages":[{"role":"user","content":"zyxwombat"}]}"#))
        let outcome = inspector.inspect(BodyReading(of: document, as: Shapes.chatRequest, direction: .prompt).slots)
        #expect(!outcome.isBlocked)
        #expect(outcome.edits.isEmpty)
        #expect(outcome.verdict.reports["marker"]?.counts == ["Marker": 1])
    }

    private func isOpaque(_ index: Int, of document: JSONDocument) -> Bool {
        var key = index
        while key > 0 {
            key -= 1
            if document.nodes[key].kind == .key, document.nodes[key].next > index {
                return BodyReadingTests.opaqueMembers.contains(document.string(key) ?? "")
            }
        }
        return false
    }
}
