import SallyportCore

/// Every path that is served. What is not listed here is 404, never passed through.
enum RouteTable {
    static let operations: [Operation] = inference + responses + models + media + files + batches + fineTuning + vectorStores

    private static let inference = [
        Operation(
            .chatCompletions, "POST", "chat/completions", deployment: true, body: .json(Shapes.chatRequest),
            answer: .stream(.chat, Shapes.chatAnswer)),
        Operation(
            .completions, "POST", "completions", deployment: true, body: .json(Shapes.completionsRequest),
            answer: .stream(.completions, Shapes.completionsAnswer)),
        Operation(
            .embeddings, "POST", "embeddings", deployment: true, body: .json(Shapes.embeddingsRequest),
            answer: .json(Shapes.embeddingsAnswer)),
    ]

    private static let responses = [
        Operation(
            .responsesCreate, "POST", "responses", body: .json(Shapes.responsesRequest),
            answer: .stream(.responses, Shapes.responsesAnswer),
            creates: .response),
        Operation(.responsesGet, "GET", "responses/*", answer: .stream(.responses, Shapes.responsesAnswer), resource: .response),
        Operation(.responsesDelete, "DELETE", "responses/*", resource: .response),
        Operation(.responsesCancel, "POST", "responses/*/cancel", answer: .json(Shapes.responsesAnswer), resource: .response),
        Operation(.responsesInputItems, "GET", "responses/*/input_items", answer: .json(Shapes.inputItems), resource: .response),
    ]

    private static let models = [
        Operation(.modelsList, "GET", "models"),
        Operation(.modelsGet, "GET", "models/*", resource: .model),
    ]

    private static let media = [
        Operation(
            .imagesGenerations, "POST", "images/generations", deployment: true, body: .json(Shapes.imagesRequest),
            answer: .json(Shapes.imagesAnswer)),
        Operation(.imagesEdits, "POST", "images/edits", deployment: true, body: .multipart, answer: .json(Shapes.imagesAnswer)),
        Operation(
            .transcriptions, "POST", "audio/transcriptions", deployment: true, body: .multipart,
            answer: .transcript(Shapes.transcriptionAnswer)),
        Operation(
            .translations, "POST", "audio/translations", deployment: true, body: .multipart, answer: .transcript(Shapes.transcriptionAnswer)
        ),
        Operation(.speech, "POST", "audio/speech", deployment: true, body: .json(Shapes.speechRequest), answer: .generatedAudio),
    ]

    private static let files = [
        Operation(.filesList, "GET", "files", lists: .file),
        Operation(.filesUpload, "POST", "files", body: .multipart, creates: .file),
        Operation(.filesImport, "POST", "files/import", body: .json(Shapes.filesImportRequest), creates: .file),
        Operation(.filesGet, "GET", "files/*", resource: .file),
        Operation(.filesDelete, "DELETE", "files/*", resource: .file),
        Operation(.filesContent, "GET", "files/*/content", answer: .file, resource: .file),
    ]

    private static let batches = [
        Operation(.batchesList, "GET", "batches", lists: .batch),
        Operation(.batchesCreate, "POST", "batches", body: .json(Shapes.batchRequest), creates: .batch),
        Operation(.batchesGet, "GET", "batches/*", resource: .batch),
        Operation(.batchesCancel, "POST", "batches/*/cancel", resource: .batch),
    ]

    private static let fineTuning = [
        Operation(.fineTuningList, "GET", "fine_tuning/jobs", lists: .fineTuningJob),
        Operation(.fineTuningCreate, "POST", "fine_tuning/jobs", body: .json(Shapes.fineTuningRequest), creates: .fineTuningJob),
        Operation(.fineTuningGet, "GET", "fine_tuning/jobs/*", resource: .fineTuningJob),
        Operation(.fineTuningDelete, "DELETE", "fine_tuning/jobs/*", resource: .fineTuningJob),
        Operation(.fineTuningAct, "POST", "fine_tuning/jobs/*/cancel", resource: .fineTuningJob),
        Operation(.fineTuningAct, "POST", "fine_tuning/jobs/*/pause", resource: .fineTuningJob),
        Operation(.fineTuningAct, "POST", "fine_tuning/jobs/*/resume", resource: .fineTuningJob),
        Operation(.fineTuningEvents, "GET", "fine_tuning/jobs/*/events", resource: .fineTuningJob),
        Operation(.fineTuningCheckpoints, "GET", "fine_tuning/jobs/*/checkpoints", resource: .fineTuningJob),
    ]

    private static let vectorStores = [
        Operation(.vectorStoresList, "GET", "vector_stores", lists: .vectorStore),
        Operation(.vectorStoresCreate, "POST", "vector_stores", body: .json(Shapes.vectorStoreRequest), creates: .vectorStore),
        Operation(.vectorStoresGet, "GET", "vector_stores/*", resource: .vectorStore),
        Operation(.vectorStoresUpdate, "POST", "vector_stores/*", body: .json(Shapes.vectorStoreRequest), resource: .vectorStore),
        Operation(.vectorStoresDelete, "DELETE", "vector_stores/*", resource: .vectorStore),
        Operation(
            .vectorStoresSearch, "POST", "vector_stores/*/search", body: .json(Shapes.vectorStoreRequest), resource: .vectorStore),
        Operation(.vectorStoreFilesList, "GET", "vector_stores/*/files", resource: .vectorStore),
        Operation(.vectorStoreFilesCreate, "POST", "vector_stores/*/files", body: .json(Shapes.vectorStoreRequest), resource: .vectorStore),
        Operation(.vectorStoreFilesGet, "GET", "vector_stores/*/files/*", resource: .vectorStore, inner: .file),
        Operation(
            .vectorStoreFilesUpdate, "POST", "vector_stores/*/files/*", body: .json(Shapes.vectorStoreRequest), resource: .vectorStore,
            inner: .file),
        Operation(.vectorStoreFilesDelete, "DELETE", "vector_stores/*/files/*", resource: .vectorStore, inner: .file),
        Operation(.vectorStoreFilesContent, "GET", "vector_stores/*/files/*/content", resource: .vectorStore, inner: .file),
        Operation(
            .fileBatchesCreate, "POST", "vector_stores/*/file_batches", body: .json(Shapes.vectorStoreRequest), resource: .vectorStore,
            creates: .fileBatch),
        Operation(.fileBatchesGet, "GET", "vector_stores/*/file_batches/*", resource: .vectorStore, inner: .fileBatch),
        Operation(.fileBatchesCancel, "POST", "vector_stores/*/file_batches/*/cancel", resource: .vectorStore, inner: .fileBatch),
        Operation(.fileBatchesFiles, "GET", "vector_stores/*/file_batches/*/files", resource: .vectorStore, inner: .fileBatch),
    ]

    /// The api-versions of the classic form (learn.microsoft.com, API lifecycle); an unknown one is 404 as in the service.
    static let apiVersions: Set<String> = [
        "2022-12-01", "2023-03-15-preview", "2023-05-15", "2023-06-01-preview", "2023-07-01-preview", "2023-08-01-preview",
        "2023-09-01-preview",
        "2023-10-01-preview", "2023-12-01-preview", "2024-02-01", "2024-02-15-preview", "2024-03-01-preview", "2024-04-01-preview",
        "2024-05-01-preview", "2024-06-01", "2024-07-01-preview", "2024-08-01-preview", "2024-09-01-preview", "2024-10-01-preview",
        "2024-10-21",
        "2024-12-01-preview", "2025-01-01-preview", "2025-02-01-preview", "2025-03-01-preview", "2025-04-01-preview",
    ]

    static func operation(method: String, path: ArraySlice<String>) -> Operation? {
        operations.first { operation in
            operation.method == method && operation.path.count == path.count
                && zip(operation.path, path).allSatisfy { $0 == "*" || $0 == $1 }
        }
    }

    /// A path that is served under another method.
    static func allows(path: ArraySlice<String>) -> [String] {
        operations.filter { $0.path.count == path.count && zip($0.path, path).allSatisfy { $0 == "*" || $0 == $1 } }.map(\.method)
    }
}
