import NIOCore

/// An exchange whose texts a policy wants kept, and why.
package struct StoredExchange: Sendable, Hashable {
    package var tenant: TenantID
    /// The exchange's own id, as in the audit log.
    package var id: String
    /// The principal whose data it is; its own key seals the texts.
    package var subject: String
    package var deployment: String
    package var operation: String
    package var policy: String
    package var policyVersion: Int
    package var purpose: String
    package var legalBasis: String
    /// Seconds since 1970.
    package var storedAt: Int64
    package var expiresAt: Int64
    /// As it went upstream: what the guards took out is not there. nil: not kept.
    package var prompt: [UInt8]?
    /// As the caller got it.
    package var answer: [UInt8]?
    /// Something was longer than is kept.
    package var isTruncated: Bool

    package init(
        tenant: TenantID = .default, id: String, subject: String, deployment: String, operation: String, policy: String,
        policyVersion: Int, purpose: String, legalBasis: String, storedAt: Int64, expiresAt: Int64, prompt: [UInt8]? = nil,
        answer: [UInt8]? = nil, isTruncated: Bool = false
    ) {
        self.tenant = tenant
        self.id = id
        self.subject = subject
        self.deployment = deployment
        self.operation = operation
        self.policy = policy
        self.policyVersion = policyVersion
        self.purpose = purpose
        self.legalBasis = legalBasis
        self.storedAt = storedAt
        self.expiresAt = expiresAt
        self.prompt = prompt
        self.answer = answer
        self.isTruncated = isTruncated
    }

    /// Of one text.
    package static let mostBytes = 1_048_576
}

/// That a stored exchange was deleted, when and why; together those of one batch give the digest that is in the audit log.
package struct StoredExchangeRemoval: Sendable, Hashable {
    package var id: String
    package var removedAt: Int64
    package var batch: String
    package var reason: String
    package init(id: String, removedAt: Int64, batch: String, reason: String) {
        self.id = id
        self.removedAt = removedAt
        self.batch = batch
        self.reason = reason
    }
}

/// Stored exchanges at rest, their texts sealed. Every method blocks.
package protocol ExchangeStore: Sendable {
    func insert(_ exchange: StoredExchange) throws
    /// - Throws: ``Fault`` that ``Fault/isErased`` when the subject was erased.
    func exchange(_ id: String, tenant: TenantID) throws -> StoredExchange?
    /// Without texts, the newest first.
    func list(of tenant: TenantID, subject: String?, limit: Int) throws -> [StoredExchange]
    /// Without texts, those whose time is over, the oldest first.
    func expired(at now: Int64, tenant: TenantID, after: (expiresAt: Int64, id: String)?, limit: Int) throws -> [StoredExchange]
    /// Deletes them and remembers that, in one transaction; nothing of them can be read from the files afterwards.
    /// - Returns: how many there were.
    func remove(_ ids: [String], tenant: TenantID, batch: String, reason: String, at now: Int64) throws -> Int
    /// How many of these there still are.
    func remaining(of ids: [String], tenant: TenantID) throws -> Int
    func removal(of id: String, tenant: TenantID) throws -> StoredExchangeRemoval?
    func removals(in batch: String, tenant: TenantID) throws -> [StoredExchangeRemoval]
}

/// Keeps exchanges while they end. On an event loop: never blocks it.
package protocol ExchangeKeeper: Sendable {
    /// Done when it is durable.
    func keep(_ exchange: StoredExchange, on eventLoop: any EventLoop) -> EventLoopFuture<Void>
}
