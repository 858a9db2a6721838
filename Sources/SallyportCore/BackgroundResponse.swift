/// A response of the Responses API that goes on after its caller's request has ended, and whose tokens are not counted in full.
package struct BackgroundResponse: Sendable, Hashable {
    package struct Key: Sendable, Hashable {
        package let tenant: TenantID
        package let id: String
        package init(tenant: TenantID, id: String) {
            self.tenant = tenant
            self.id = id
        }
    }

    package let key: Key
    /// Tokens that its caller has paid already.
    package let prompt: Int
    package let completion: Int
    package init(key: Key, prompt: Int, completion: Int) {
        self.key = key
        self.prompt = prompt
        self.completion = completion
    }
}
