import SallyportCore

/// The shapes of the bodies that the data plane knows: Azure OpenAI inference 2024-10-21 and later previews, and the v1 API.
enum Shapes {
    // MARK: Chat completions

    private static let functionDefinition = TextShape.object(
        [("name", .name(.toolDefinition)), ("strict", .token)], others: .text(.toolDefinition))
    private static let tool = TextShape.object(
        [
            ("type", .toolType), ("name", .name(.toolDefinition)), ("function", functionDefinition),
            ("vector_store_ids", .array(.reference(.vectorStore))),
            (
                "container",
                .either(string: .reference(.container), .object([("type", .token), ("file_ids", .array(.reference(.file)))]))
            ),
        ], others: .text(.toolDefinition))
    private static let toolCall = TextShape.object(
        [
            ("id", .token), ("type", .token), ("index", .token),
            ("function", .object([("name", .name(.toolCall)), ("arguments", .json(.toolCall))], others: .text(.toolCall))),
        ], others: .text(.toolCall))
    private static let contentPart = TextShape.object(
        [
            ("type", .token), ("text", .text(.assistant)), ("refusal", .text(.assistant)), ("input_text", .text(.assistant)),
            ("image_url", .object([("url", .imageLink), ("detail", .token)], others: .imageLink)),
            ("input_audio", .object([("data", .opaque(.audio)), ("format", .token)])),
            ("file", .object([("file_id", .reference(.file)), ("file_data", .opaque(.file)), ("filename", .text(.metadata))])),
            // Not Azure's: what servers of open models take, and other providers' form of a picture or document.
            ("image", .opaque(.inlineImage)), ("image_embeds", .opaque(.inlineImage)), ("image_pil", .opaque(.inlineImage)),
            ("audio_url", .opaque(.audio)), ("audio", .opaque(.audio)), ("audio_embeds", .opaque(.audio)),
            ("video_url", .opaque(.file)), ("video", .opaque(.file)), ("file_url", .opaque(.file)),
            ("source", .either(string: .text(.assistant), .opaque(.file))),
        ], others: .text(.assistant))
    private static let message = TextShape.object(
        [
            ("role", .token), ("content", .array(contentPart)), ("name", .text(.assistant)), ("tool_call_id", .token),
            ("tool_calls", .array(toolCall)),
            ("function_call", .object([("name", .name(.toolCall)), ("arguments", .json(.toolCall))], others: .text(.toolCall))),
            ("refusal", .text(.assistant)), ("audio", .object([("id", .opaque(.audio))])),
            // What an earlier answer rested on stays a document's words.
            ("context", .text(.document)),
        ], others: .text(.assistant), speaker: .role)

    private static let samplingMembers: [(StaticString, TextShape)] = [
        ("model", .token), ("temperature", .token), ("top_p", .token), ("n", .token), ("stream", .token), ("max_tokens", .token),
        ("max_completion_tokens", .token), ("presence_penalty", .token), ("frequency_penalty", .token), ("logit_bias", .token),
        ("logprobs", .token), ("top_logprobs", .token), ("seed", .token), ("stream_options", .object([("include_usage", .token)])),
    ]

    static let chatRequest = TextShape.object(
        samplingMembers,
        and: [
            ("messages", .array(message)), ("stop", .text(.metadata)), ("user", .text(.metadata)),
            (
                "response_format",
                .object([("type", .token), ("json_schema", .object([("name", .name(.toolDefinition))], others: .text(.toolDefinition)))])
            ),
            ("tools", .array(tool)),
            ("tool_choice", .object([("type", .token), ("function", .object([("name", .name(.toolDefinition))]))], others: .token)),
            ("functions", .array(functionDefinition)), ("function_call", .object([("name", .name(.toolDefinition))], others: .token)),
            ("parallel_tool_calls", .token), ("reasoning_effort", .token), ("modalities", .array(.token)), ("service_tier", .token),
            ("audio", .object([("voice", .token), ("format", .token)])), ("store", .token), ("metadata", .text(.metadata)),
            ("prediction", .object([("type", .token), ("content", .array(contentPart))])), ("data_sources", .array(dataSource)),
            ("user_security_context", .text(.metadata)),
        ])
    /// On Your Data. A type that is not served here is a search that we cannot see: a hosted tool.
    private static let dataSource = TextShape.object([
        ("type", .token),
        (
            "parameters",
            .object([
                ("endpoint", .token), ("index_name", .token), ("query_type", .token), ("semantic_configuration", .token),
                ("role_information", .text(.system)), ("filter", .text(.user)), ("include_contexts", .array(.token)),
                // Never sent on: the gateway has credentials of its own.
                ("authentication", .object([], others: .numbers)),
                ("embedding_dependency", .object([("type", .token), ("deployment_name", .token)])),
                (
                    "fields_mapping",
                    .object([
                        ("title_field", .token), ("url_field", .token), ("filepath_field", .token), ("content_fields", .array(.token)),
                        ("vector_fields", .array(.token)), ("image_vector_fields", .array(.token)),
                    ])
                ),
            ])
        ),
    ])

    private static let filterResult = TextShape.object(
        [("filtered", .token), ("severity", .token), ("detected", .token)], others: .text(.completion))
    private static let filterCategories = TextShape.object(
        [
            ("hate", filterResult), ("self_harm", filterResult), ("sexual", filterResult), ("violence", filterResult),
            ("jailbreak", filterResult), ("indirect_attack", filterResult), ("profanity", filterResult),
            ("protected_material_text", filterResult), ("protected_material_code", filterResult),
        ], others: .text(.completion))
    private static let filterResults = TextShape.object(
        [
            ("prompt_index", .token), ("content_filter_results", filterCategories), ("hate", filterResult), ("self_harm", filterResult),
            ("sexual", filterResult), ("violence", filterResult), ("protected_material_text", filterResult),
            ("protected_material_code", filterResult),
        ], others: .text(.completion))
    private static let tokenLogprobs = TextShape.object(
        [
            ("bytes", .numbers), ("token", .text(.completion)),
            ("top_logprobs", .array(.object([("bytes", .numbers)], others: .text(.completion)))),
        ], others: .text(.completion))
    private static let logprobs = TextShape.object(
        [("content", .array(tokenLogprobs)), ("refusal", .array(tokenLogprobs))], others: .text(.completion))
    private static let usageDetails = TextShape.object(
        [
            ("cached_tokens", .token), ("audio_tokens", .token), ("reasoning_tokens", .token), ("accepted_prediction_tokens", .token),
            ("rejected_prediction_tokens", .token), ("text_tokens", .token), ("image_tokens", .token),
        ], others: .text(.completion))
    private static let usage = TextShape.object(
        [
            ("prompt_tokens", .token), ("completion_tokens", .token), ("total_tokens", .token), ("input_tokens", .token),
            ("output_tokens", .token), ("prompt_tokens_details", usageDetails), ("completion_tokens_details", usageDetails),
            ("input_tokens_details", usageDetails), ("output_tokens_details", usageDetails),
        ], others: .text(.completion))
    private static let answerToolCall = TextShape.object(
        [
            ("id", .token), ("type", .token), ("index", .token),
            (
                "function",
                .object(
                    [("name", .name(.completionToolCall)), ("arguments", .json(.completionToolCall))], others: .text(.completionToolCall))
            ),
        ], others: .text(.completionToolCall))
    private static let answerMessage = TextShape.object(
        [
            ("role", .token), ("content", .text(.completion)), ("refusal", .text(.completion)), ("reasoning_content", .text(.reasoning)),
            ("tool_calls", .array(answerToolCall)),
            (
                "function_call",
                .object(
                    [("name", .name(.completionToolCall)), ("arguments", .json(.completionToolCall))], others: .text(.completionToolCall))
            ),
            ("audio", .object([("id", .token), ("data", .opaque(.generatedAudio)), ("expires_at", .token)], others: .text(.completion))),
        ], others: .text(.completion))
    private static let envelope: [(StaticString, TextShape)] = [
        ("id", .token), ("object", .token), ("created", .token), ("created_at", .token), ("model", .token), ("system_fingerprint", .token),
        ("service_tier", .token), ("usage", usage), ("prompt_filter_results", filterResults), ("content_filter_results", filterResults),
    ]
    private static let upstreamError = TextShape.object(
        [("code", .token), ("type", .token), ("param", .token), ("status", .token)], others: .text(.upstreamError))

    private static let answerChoice = TextShape.object(
        [
            ("index", .token), ("finish_reason", .token), ("message", answerMessage), ("logprobs", logprobs),
            ("content_filter_results", filterResults),
        ], others: .text(.completion))
    static let chatAnswer = TextShape.object(
        envelope, and: [("choices", .array(answerChoice)), ("error", upstreamError)], others: .text(.completion))

    private static let deltaToolCall = TextShape.object(
        [("id", .token), ("type", .token), ("index", .token), ("function", deltaFunction), ("custom", deltaCustom)],
        others: .text(.completionToolCall))
    private static let deltaFunction = TextShape.object(
        [("name", .growing(.completionToolCall, "name")), ("arguments", .growing(.completionToolCall, "arguments"))],
        others: .text(.completionToolCall))
    /// What a custom tool is called with is a text.
    private static let deltaCustom = TextShape.object(
        [("name", .growing(.completionToolCall, "name")), ("input", .growing(.completionToolCall, "arguments"))],
        others: .text(.completionToolCall))
    private static let deltaAudio = TextShape.object(
        [
            ("id", .token), ("data", .opaque(.generatedAudio)), ("transcript", .growing(.completion, "transcript")), ("expires_at", .token),
        ], others: .text(.completion))
    private static let delta = TextShape.object(
        [
            ("role", .token), ("content", .growing(.completion, "content")), ("refusal", .growing(.completion, "refusal")),
            ("reasoning_content", .growing(.reasoning, "reasoning")), ("tool_calls", .array(deltaToolCall)),
            ("function_call", deltaFunction),
            ("audio", deltaAudio),
        ], others: .growingMember(.completion))
    private static let eventChoice = TextShape.object(
        [
            ("index", .token), ("finish_reason", .token), ("logprobs", logprobs), ("content_filter_results", filterResults),
            ("delta", delta),
        ], others: .text(.completion))
    static let chatEvent = TextShape.object(
        envelope, and: [("choices", .array(eventChoice)), ("error", upstreamError)], others: .text(.completion))

    // MARK: Completions, embeddings

    static let completionsRequest = TextShape.object(
        samplingMembers,
        and: [
            ("prompt", .textOrTokens(.user)), ("suffix", .text(.user)), ("stop", .text(.metadata)), ("best_of", .token), ("echo", .token),
            ("user", .text(.metadata)),
        ])
    private static let completionsChoice: [(StaticString, TextShape)] = [
        ("index", .token), ("finish_reason", .token),
        ("logprobs", .object([("tokens", .text(.completion)), ("top_logprobs", .text(.completion))], others: .numbers)),
        ("content_filter_results", filterResults),
    ]
    private static let completionsAnswerChoice = TextShape.object(
        completionsChoice, and: [("text", .text(.completion))], others: .text(.completion))
    private static let completionsEventChoice = TextShape.object(
        completionsChoice, and: [("text", .growing(.completion, "text"))], others: .text(.completion))
    static let completionsAnswer = TextShape.object(
        envelope, and: [("choices", .array(completionsAnswerChoice)), ("error", upstreamError)], others: .text(.completion))
    static let completionsEvent = TextShape.object(
        envelope, and: [("choices", .array(completionsEventChoice)), ("error", upstreamError)], others: .text(.completion))

    static let embeddingsRequest = TextShape.object([
        ("model", .token), ("input", .textOrTokens(.user)), ("encoding_format", .token), ("dimensions", .token), ("user", .text(.metadata)),
        ("input_type", .token),
    ])
    private static let embedding = TextShape.object([("object", .token), ("index", .token), ("embedding", .numbers)])
    static let embeddingsAnswer = TextShape.object(envelope, and: [("data", .array(embedding)), ("error", upstreamError)])

    // MARK: Responses

    private static let responsesPart = TextShape.object(
        [
            ("type", .token), ("text", .text(.assistant)), ("image_url", .imageLink), ("detail", .token), ("file_id", .reference(.file)),
            ("file_data", .opaque(.file)), ("file_url", .opaque(.file)),
            ("input_audio", .object([("data", .opaque(.audio)), ("format", .token)])),
            ("annotations", .text(.assistant)), ("logprobs", .array(tokenLogprobs)),
        ], others: .text(.assistant))
    private static let toolOutputPart = TextShape.object(
        [
            ("type", .token), ("text", .text(.toolResult)), ("image_url", .imageLink), ("detail", .token), ("file_id", .reference(.file)),
            ("file_data", .opaque(.file)), ("file_url", .opaque(.file)),
        ], others: .text(.toolResult))
    private static let responsesItem = TextShape.object(
        [
            ("type", .token), ("role", .token), ("id", .itemID), ("status", .token), ("call_id", .token), ("name", .name(.toolCall)),
            ("content", .array(responsesPart)), ("arguments", .json(.toolCall)), ("output", .array(toolOutputPart)),
            ("summary", .text(.reasoning)),
            ("encrypted_content", .opaque(.encryptedContent)), ("result", .either(string: .opaque(.inlineImage), .text(.toolResult))),
            ("container_id", .reference(.container)),
            ("outputs", .array(.object([("type", .token), ("url", .imageLink)], others: .text(.toolResult)))),
        ], others: .text(.assistant), speaker: .role)
    static let responsesRequest = TextShape.object(
        samplingMembers,
        and: [
            ("input", .array(responsesItem)), ("instructions", .text(.system)), ("previous_response_id", .reference(.response)),
            ("store", .token),
            ("background", .token), ("max_output_tokens", .token), ("max_tool_calls", .token), ("tools", .array(tool)),
            ("tool_choice", .object([("type", .token), ("name", .name(.toolDefinition))], others: .token)), ("parallel_tool_calls", .token),
            ("reasoning", .object([("effort", .token), ("summary", .token), ("generate_summary", .token)])),
            ("include", .array(.included)),
            ("truncation", .token), ("metadata", .text(.metadata)), ("user", .text(.metadata)), ("prompt", .opaque(.storedPrompt)),
            (
                "text",
                .object([
                    ("format", .object([("type", .token), ("name", .name(.toolDefinition))], others: .text(.toolDefinition))),
                    ("verbosity", .token),
                ])
            ), ("service_tier", .token), ("conversation", .opaque(.storedPrompt)),
        ])

    private static let outputPart = TextShape.object(
        [("type", .token), ("logprobs", .array(tokenLogprobs))], others: .text(.completion))
    private static let outputItem = TextShape.object(
        [
            ("type", .token), ("role", .token), ("id", .token), ("status", .token), ("call_id", .token),
            ("name", .name(.completionToolCall)),
            ("content", .array(outputPart)), ("arguments", .json(.completionToolCall)), ("summary", .text(.reasoning)),
            ("encrypted_content", .opaque(.encryptedContent)), ("container_id", .token),
            ("result", .either(string: .opaque(.generatedImage), .text(.assistant))),
        ], others: .text(.assistant), speaker: .item)
    private static let incompleteDetails = TextShape.object([("reason", .token)])
    private static let ownResponseMembers: [(StaticString, TextShape)] = [
        ("status", .token), ("output", .array(outputItem)), ("instructions", .text(.completion)), ("previous_response_id", .token),
        ("tools", .text(.completion)),
        ("tool_choice", .either(string: .token, .text(.completion))), ("truncation", .token), ("content_filters", filterResults),
        ("incomplete_details", incompleteDetails), ("error", upstreamError), ("output_text", .text(.completion)),
    ]
    private static let responseMembers = envelope + ownResponseMembers
    static let responsesAnswer = TextShape.object(responseMembers, others: .text(.completion))
    /// A stream event: what `delta` is depends on the event's type.
    static func responsesEvent(_ type: String) -> TextShape {
        if type.hasSuffix("audio.delta") { return responsesAudioEvent }
        if type.contains("_arguments.") || type.contains("tool_call_input") || type.contains("_code.") { return responsesToolEvent }
        return type.contains("reasoning") ? responsesReasoningEvent : responsesTextEvent
    }
    private static let responsesTextEvent = responsesEvent(delta: .growing(.completion, "delta"))
    private static let responsesToolEvent = TextShape.object(
        eventMembers, and: [("delta", .growing(.completionToolCall, "arguments")), ("code", .text(.completionToolCall))],
        others: .text(.completionToolCall))
    private static let responsesReasoningEvent = responsesEvent(delta: .growing(.reasoning, "delta"))
    private static let responsesAudioEvent = responsesEvent(delta: .opaque(.generatedAudio))
    private static func responsesEvent(delta: TextShape) -> TextShape {
        TextShape.object(eventMembers, and: [("delta", delta), ("code", .token)], others: .text(.completion))
    }
    private static let eventMembers: [(StaticString, TextShape)] = [
        ("type", .token), ("sequence_number", .token), ("item_id", .token), ("output_index", .token), ("content_index", .token),
        ("summary_index", .token), ("call_id", .token), ("name", .name(.completionToolCall)), ("obfuscation", .token),
        ("logprobs", .array(tokenLogprobs)),
        ("response", responsesAnswer), ("item", outputItem), ("part", outputPart), ("arguments", .json(.completionToolCall)),
        ("partial_image_b64", .opaque(.generatedImage)), ("error", upstreamError), ("param", .token),
    ]
    static let inputItems = TextShape.object(
        [
            ("object", .token), ("data", .array(outputItem)), ("first_id", .token), ("last_id", .token), ("has_more", .token),
            ("error", upstreamError),
        ],
        others: .text(.completion))

    // MARK: Images, audio

    static let imagesRequest = TextShape.object([
        ("model", .token), ("prompt", .text(.user)), ("n", .token), ("size", .token), ("quality", .token), ("style", .token),
        ("response_format", .token), ("user", .text(.metadata)), ("background", .token), ("output_format", .token), ("moderation", .token),
        ("output_compression", .token),
    ])
    private static let image = TextShape.object(
        [
            ("b64_json", .opaque(.generatedImage)), ("url", .opaque(.generatedImage)), ("content_filter_results", filterResults),
            ("prompt_filter_results", filterResults),
        ], others: .text(.completion))
    static let imagesAnswer = TextShape.object(
        envelope, and: [("data", .array(image)), ("error", upstreamError)], others: .text(.completion))
    static let speechRequest = TextShape.object([
        ("model", .token), ("input", .text(.user)), ("voice", .token), ("response_format", .token), ("speed", .token),
        ("instructions", .text(.user)), ("stream_format", .token),
    ])
    static let transcriptionAnswer = TextShape.object(
        [("task", .token), ("language", .token), ("error", upstreamError)], others: .text(.completion))

    // MARK: Files, batches, fine-tuning, vector stores

    static let batchRequest = TextShape.object([
        ("input_file_id", .reference(.file)), ("endpoint", .token), ("completion_window", .token), ("metadata", .text(.metadata)),
    ])
    static let fineTuningRequest = TextShape.object([
        ("model", .modelName), ("training_file", .reference(.file)), ("validation_file", .reference(.file)), ("suffix", .text(.metadata)),
        ("seed", .token), ("hyperparameters", .object([], others: .token)),
        ("method", .object([("type", .token)], others: .text(.metadata))),
    ])
    static let vectorStoreRequest = TextShape.object([
        ("name", .text(.metadata)), ("file_ids", .array(.reference(.file))), ("file_id", .reference(.file)), ("query", .text(.user)),
        ("expires_after", .object([("anchor", .token), ("days", .token)])), ("metadata", .text(.metadata)),
        ("attributes", .text(.metadata)),
        ("files", .array(.object([("file_id", .reference(.file))]))),
        ("chunking_strategy", .object([("type", .token)], others: .text(.metadata))), ("max_num_results", .token),
        ("rewrite_query", .token),
        ("ranking_options", .object([("ranker", .token), ("score_threshold", .token)])),
    ])
    static let filesImportRequest = TextShape.object([
        ("purpose", .token), ("filename", .text(.metadata)), ("content_url", .opaque(.file)), ("content", .opaque(.file)),
    ])
    /// Answers about resources: ids, states and numbers, with a few names that people chose.
    static let resourceAnswer = TextShape.object(
        [
            ("id", .token), ("object", .token), ("purpose", .token), ("status", .token), ("model", .token), ("endpoint", .token),
            ("completion_window", .token), ("input_file_id", .token), ("output_file_id", .token), ("error_file_id", .token),
            ("training_file", .token), ("validation_file", .token), ("fine_tuned_model", .token), ("organization_id", .token),
            ("has_more", .token), ("first_id", .token), ("last_id", .token), ("vector_store_id", .token), ("file_id", .token),
        ], others: .text(.completion))
    static let errorAnswer = TextShape.object([("error", upstreamError)], others: .text(.upstreamError))
    /// One row of an uploaded JSONL file.
    static let row = TextShape.text(.file)
    /// A body of a service whose shape we do not know.
    static let anyRequest = TextShape.text(.user)
    static let anyAnswer = TextShape.text(.completion)
}
