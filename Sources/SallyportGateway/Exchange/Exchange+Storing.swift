import NIOCore
import SallyportCore
import SallyportGuard

/// Texts that the policy wants kept: before the outcome goes on record, so that the record says whether they are.
extension Exchange {
    /// What became of it, for the record.
    enum Keeping {
        case notAsked
        case kept
        /// Nobody's fault: there is no consent, or there is an objection.
        case waived(String)
        case failed
    }

    func keepTexts(then proceed: @escaping (Keeping) -> Void) {
        guard let storage = policy.privacy.storage, let principal, let deployment, let keeper = runtime.parts.keeper,
            intentIsRecorded, summary.upstreamStartedAt > 0
        else { return proceed(.notAsked) }
        let consents = runtime.parts.consents
        if consents.forbids(storage.purpose, for: principal.id.rawValue, of: principal.tenant) { return proceed(.waived("objection")) }
        if storage.legalBasis == .consent,
            !consents.allows(storage.purpose, version: nil, for: principal.id.rawValue, of: principal.tenant)
        {
            return proceed(.waived("no consent"))
        }
        let now = runtime.parts.clock().seconds
        var exchange = StoredExchange(
            tenant: principal.tenant, id: id, subject: principal.id.rawValue, deployment: deployment.id.rawValue,
            operation: summary.operation, policy: policy.id.rawValue, policyVersion: policy.version, purpose: storage.purpose,
            legalBasis: storage.legalBasis.rawValue, storedAt: now, expiresAt: now + Int64(storage.retentionDays) * 86_400)
        func bounded(_ buffer: ByteBuffer) -> [UInt8] {
            if buffer.readableBytes > StoredExchange.mostBytes { exchange.isTruncated = true }
            return Array(buffer.readableBytesView.prefix(StoredExchange.mostBytes))
        }
        if storage.what != .answers { exchange.prompt = bounded(promptEdits.isEmpty ? body : promptEdits.apply(to: body)) }
        if storage.what != .prompts {
            if streamedTexts.readableBytes > 0 {
                exchange.answer = bounded(streamedTexts)
                if streamedBeyond { exchange.isTruncated = true }
            } else if answerStatus > 0, answerBody.readableBytes > 0, summary.faultCode == nil {
                exchange.answer = bounded(answerBody)
            }
        }
        keeper.keep(exchange, on: eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success: proceed(.kept)
            case .failure: proceed(.failed)
            }
        }
    }

    /// Remembers what of a stream went to the caller, as far as it is kept.
    func noteStreamed(_ bytes: ByteBuffer) {
        guard let storage = policy.privacy.storage, storage.what != .prompts, runtime.parts.keeper != nil else { return }
        // What is remembered counts in the gateway's total, until the exchange is over.
        guard !streamedBeyond, streamedTexts.readableBytes + bytes.readableBytes <= StoredExchange.mostBytes,
            runtime.admitBytes(bytes.readableBytes, snapshot.configuration)
        else {
            streamedBeyond = true
            return
        }
        streamedHeld += bytes.readableBytes
        streamedTexts.writeImmutableBuffer(bytes)
    }
}
