import SallyportCore

/// One operation of the data plane: what it is called, what its bodies hold, and what it does with the upstream's ids. Immutable, and a
/// reference into the table of routes.
final class Operation: Sendable {
    enum Name: String, Sendable, CaseIterable {
        case chatCompletions = "ChatCompletions_Create"
        case completions = "Completions_Create"
        case embeddings = "Embeddings_Create"
        case responsesCreate = "Responses_Create"
        case responsesGet = "Responses_Get"
        case responsesDelete = "Responses_Delete"
        case responsesCancel = "Responses_Cancel"
        case responsesInputItems = "Responses_ListInputItems"
        case modelsList = "Models_List"
        case modelsGet = "Models_Get"
        case imagesGenerations = "ImageGenerations_Create"
        case imagesEdits = "Images_Edit"
        case transcriptions = "Transcriptions_Create"
        case translations = "Translations_Create"
        case speech = "Speech_Create"
        case filesList = "Files_List"
        case filesUpload = "Files_Upload"
        case filesImport = "Files_Import"
        case filesGet = "Files_Get"
        case filesDelete = "Files_Delete"
        case filesContent = "Files_GetContent"
        case batchesList = "Batch_List"
        case batchesCreate = "Batch_Create"
        case batchesGet = "Batch_Get"
        case batchesCancel = "Batch_Cancel"
        case fineTuningList = "FineTuning_List"
        case fineTuningCreate = "FineTuning_Create"
        case fineTuningGet = "FineTuning_Get"
        case fineTuningAct = "FineTuning_Act"
        case fineTuningDelete = "FineTuning_Delete"
        case fineTuningEvents = "FineTuning_GetEvents"
        case fineTuningCheckpoints = "FineTuning_GetCheckpoints"
        case vectorStoresList = "VectorStores_List"
        case vectorStoresCreate = "VectorStores_Create"
        case vectorStoresGet = "VectorStores_Get"
        case vectorStoresUpdate = "VectorStores_Update"
        case vectorStoresDelete = "VectorStores_Delete"
        case vectorStoresSearch = "VectorStores_Search"
        case vectorStoreFilesList = "VectorStoreFiles_List"
        case vectorStoreFilesCreate = "VectorStoreFiles_Create"
        case vectorStoreFilesGet = "VectorStoreFiles_Get"
        case vectorStoreFilesUpdate = "VectorStoreFiles_Update"
        case vectorStoreFilesDelete = "VectorStoreFiles_Delete"
        case vectorStoreFilesContent = "VectorStoreFiles_Content"
        case fileBatchesCreate = "VectorStoreFileBatches_Create"
        case fileBatchesGet = "VectorStoreFileBatches_Get"
        case fileBatchesCancel = "VectorStoreFileBatches_Cancel"
        case fileBatchesFiles = "VectorStoreFileBatches_ListFiles"
        case service = "CognitiveServices_Call"
    }

    enum Body: Sendable {
        case none
        case json(TextShape)
        case multipart
        /// JSON when it says so; anything else cannot be read.
        case any
    }

    enum Answer: Sendable {
        case json(TextShape)
        /// Server-sent events when asked for, else JSON.
        case stream(StreamDialect, TextShape)
        /// Sound made from text that was inspected.
        case generatedAudio
        /// A file's bytes: read as rows or as text where they are text.
        case file
        /// JSON or plain text (transcriptions).
        case transcript(TextShape)
    }

    /// Which path, in the API's own words after `/openai/v1` or `/openai/deployments/{d}`; `*` stands for one segment.
    let name: Name
    let method: String
    let path: [String]
    /// Under `/openai/deployments/{deployment}` in the classic form, with the deployment in `model` in the v1 form.
    let isDeploymentScoped: Bool
    let body: Body
    let answer: Answer
    /// The kind of the id in the path's first `*`.
    let pathResource: OwnedResource?
    /// The kind of the id in the path's second `*`.
    let innerResource: OwnedResource?
    /// An answer's `id` becomes the caller's.
    let creates: OwnedResource?
    /// An answer's `data` is cut down to what is the caller's.
    let lists: OwnedResource?
    /// Azure's data action, as a denied call names it.
    let dataAction: String
    /// Sending it twice does no harm.
    let isIdempotent: Bool

    init(
        _ name: Name, _ method: String, _ path: String, deployment: Bool = false, body: Body = .none,
        answer: Answer = .json(Shapes.resourceAnswer), resource: OwnedResource? = nil, inner: OwnedResource? = nil,
        creates: OwnedResource? = nil, lists: OwnedResource? = nil
    ) {
        self.name = name
        self.method = method
        self.path = path.split(separator: "/").map(String.init)
        isDeploymentScoped = deployment
        self.body = body
        self.answer = answer
        pathResource = resource
        innerResource = inner
        self.creates = creates
        self.lists = lists
        isIdempotent = method == "GET" || name == .embeddings
        dataAction = DataActions.of(name, act: self.path.last)
    }

    var answersInJSON: Bool {
        switch answer {
        case .json, .stream: true
        case .generatedAudio, .file, .transcript: false
        }
    }

}

/// How an operation's stream is spelled.
enum StreamDialect: Sendable { case chat, completions, responses }
