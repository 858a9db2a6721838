/// Responses that were made in the background and are not counted in full: ids and numbers, no texts.
extension Schema {
    static let backgroundResponses = Migration(
        name: "0032-background-responses",
        statements: [
            """
            CREATE TABLE background_response (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                prompt_tokens BIGINT NOT NULL,
                completion_tokens BIGINT NOT NULL,
                noted_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """
        ])
}
