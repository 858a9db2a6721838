import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// Files that models are customised with: read row by row before they go upstream, reported on, and what is made of them inherits their label and
/// their owner.
extension Exchange {
    static let consentHeader = "x-sallyport-consent"
    static let licenceHeader = "x-sallyport-licence"

    struct UploadedFile {
        let content: ByteBuffer
        let purpose: String
    }

    /// The file of an upload.
    var uploadedFile: UploadedFile? {
        guard case .openAI(let operation, _, _, _)? = target, operation.name == .filesUpload, let multipart,
            let part = multipart.parts(named: "file").first,
            let content = body.getSlice(at: body.readerIndex + part.bodyRange.lowerBound, length: part.bodyRange.count)
        else { return nil }
        let purpose = multipart.parts(named: "purpose").first.flatMap {
            body.getString(at: body.readerIndex + $0.bodyRange.lowerBound, length: $0.bodyRange.count)
        }
        return UploadedFile(content: content, purpose: purpose ?? "")
    }

    /// Reads the file's rows, off the event loop; a file that the policy does not let through is refused with a report.
    func scan(_ file: UploadedFile, _ outcome: BodyInspector.Outcome, then proceed: @escaping () throws -> Void) {
        let findings = outcome.findings
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
            TrainingFileScanner.scan(file.content, purpose: file.purpose, findings: findings) { (try? JSONDocument(parsing: $0)) != nil }
        }.assumeIsolated().whenComplete { [self] result in
            continuing {
                var report: TrainingFileReport
                do { report = try result.get() } catch {
                    throw Fault(.guardUnavailable, "The file could not be read row by row.", cause: error)
                }
                if let consent = statement(Exchange.consentHeader) { report.consent = consent }
                report.isConsentProven = hasConsent(report.consent)
                if let licence = statement(Exchange.licenceHeader) { report.licence = licence }
                report.refusals = policy.customising.refusals(of: report, purpose: file.purpose)
                if outcome.isBlocked {
                    let rows = outcome.blocked.sorted().prefix(5).map { "\($0)" }.joined(separator: ", ")
                    report.refusals.append("the guards block \(outcome.blocked.count) rows (rows \(rows))")
                }
                fileReport = report
                for (kind, count) in report.counts.sorted(by: { $0.key < $1.key }) { notes.append(("file.\(kind)", "\(count)")) }
                if let consent = report.consent { notes.append(("file.consent", String(consent.prefix(100)))) }
                guard report.refusals.isEmpty else {
                    return keepReport(as: id) { [self] in
                        if outcome.isBlocked { try proceed() }
                        throw Fault(
                            .fileRefused,
                            "The file is not fit for training under the policy '\(policy.id)': \(report.refusals.joined(separator: "; ")). "
                                + "The report is at /sallyport/v1/files/\(id)/report.", param: "file")
                    }
                }
                try proceed()
            }
        }
    }

    /// Subjects by name, with commas between them: all of them must have agreed.
    private func hasConsent(_ statement: String?) -> Bool {
        guard let statement, let principal else { return false }
        let subjects = statement.split(separator: ",").map { String($0.drop { $0 == " " }) }
        return !subjects.isEmpty
            && subjects.allSatisfy {
                runtime.parts.consents.allows("customising", version: nil, for: $0, of: principal.tenant)
                    && !runtime.parts.consents.forbids("customising", for: $0, of: principal.tenant)
            }
    }

    /// A header of the upload: plain text of a length that is meant.
    private func statement(_ name: String) -> String? {
        guard let value = head.headers.first(name: name), (1...200).contains(value.utf8.count),
            value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
        else { return nil }
        return value
    }

    /// A job trains on files that were read as such: one that came for another purpose, or past the gateway, was not looked at row by row.
    func checkTrainingFiles(_ files: [String], for principal: Principal, then proceed: @escaping () throws -> Void) {
        guard let store = runtime.parts.reports, !files.isEmpty else { return continuing(proceed) }
        let formats: Set<TrainingFileReport.Format> = [.chat, .completion, .preference]
        let rules = policy.customising
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
            try files.allSatisfy { file in
                guard let found = try store.report(file, tenant: principal.tenant) else { return false }
                return formats.contains(found.report.format) && rules.refusals(of: found.report, purpose: "fine-tune").isEmpty
            }
        }.assumeIsolated().whenComplete { [self] result in
            continuing {
                let areFit: Bool
                do { areFit = try result.get() } catch {
                    throw Fault(.storeUnavailable, "The reports on the files cannot be read. Please retry.", cause: error)
                }
                guard areFit else {
                    throw Fault(
                        .invalidRequest,
                        "A file of the job is not fit for training under the policy '\(policy.id)': upload it with the purpose 'fine-tune'.",
                        param: "training_file")
                }
                try proceed()
            }
        }
    }

    private func keepReport(as name: String, then proceed: @escaping () throws -> Void) {
        guard let store = runtime.parts.reports, let report = fileReport, let principal else { return continuing(proceed) }
        let now = runtime.parts.clock().seconds
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
            try store.put(report, id: name, owner: principal.id, project: principal.project, tenant: principal.tenant, at: now)
        }.assumeIsolated().whenComplete { [self] result in
            continuing {
                do { try result.get() } catch {
                    throw Fault(.storeUnavailable, "The file's report cannot be kept. Please retry.", cause: error)
                }
                try proceed()
            }
        }
    }

    // MARK: What is made of it

    /// Resources that a request refers to, and the models that it goes to, bring their labels; a model made of somebody's data is that one's only.
    func inheritLabels(of resources: [String], for principal: Principal, then proceed: @escaping () throws -> Void) {
        let models = Set(targets.map(\.model).filter(Exchange.isCustomised)).sorted()
        checkOwners(of: models, for: principal) { [self] in
            let names = resources + models
            guard let ledger = runtime.parts.labels, !ledger.isEmpty, !names.isEmpty else { return try proceed() }
            let futures = names.map { ledger.label(of: Exchange.resourceKey($0), tenant: principal.tenant, on: eventLoop) }
            EventLoopFuture.whenAllSucceed(futures, on: eventLoop).assumeIsolated().whenComplete { [self] result in
                continuing {
                    let found: [SensitivityLabel?]
                    do { found = try result.get() } catch {
                        throw Fault(.storeUnavailable, "The labels of what the request uses cannot be read. Please retry.", cause: error)
                    }
                    for (name, label) in zip(names, found) {
                        if let label {
                            standingLabel = LabelFact.higher(standingLabel, LabelFact(label, models.contains(name) ? "model" : "file"))
                        }
                    }
                    try proceed()
                }
            }
        }
    }

    /// As OpenAI (`ft:…`) and Azure (`….ft-…`) name models that were made of somebody's files.
    private static func isCustomised(_ model: String) -> Bool { model.hasPrefix("ft:") || model.mentions(".ft-") }

    private func checkOwners(of models: [String], for principal: Principal, then proceed: @escaping () throws -> Void) {
        guard !models.isEmpty else { return continuing(proceed) }
        runtime.parts.ownership.owner(of: models, for: principal, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            continuing {
                let owners: [Ownership?]
                do { owners = try result.get() } catch {
                    throw Fault(.storeUnavailable, "The ownership ledger cannot be read. Please retry.", cause: error)
                }
                // Who may not use it does not learn of it.
                guard owners.allSatisfy({ $0.map { $0.kind == .model && $0.belongs(to: principal) } ?? true }) else {
                    throw Fault.deploymentNotFound
                }
                try proceed()
            }
        }
    }

    private static func resourceKey(_ id: String) -> String { "resource:\(id)" }

    /// What was made just now keeps the label of what it was made of, and the report of its file.
    func keepInheritance(of made: String, _ kind: OwnedResource, then proceed: @escaping () throws -> Void) {
        let keep = { [self] in
            guard let ledger = runtime.parts.labels, let principal, let label, label.label > .general, kind != .response else {
                return try proceed()
            }
            ledger.raise(Exchange.resourceKey(made), to: label.label, tenant: principal.tenant, on: eventLoop).assumeIsolated().whenComplete
            {
                [self] result in
                continuing {
                    do { try result.get() } catch {
                        throw Fault(.storeUnavailable, "The label of the new resource cannot be kept. Please retry.", cause: error)
                    }
                    try proceed()
                }
            }
        }
        if kind == .file, fileReport != nil { keepReport(as: made, then: keep) } else { continuing(keep) }
    }

    // MARK: The report

    func answerFileReport(_ name: String) throws {
        guard let principal else { throw Fault.invalidKey }
        guard let store = runtime.parts.reports else { throw Fault.resourceNotFound }
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try store.report(name, tenant: principal.tenant) }.assumeIsolated()
            .whenComplete {
                [self] result in
                continuing {
                    let found: (report: TrainingFileReport, owner: PrincipalID, project: ProjectID)?
                    do { found = try result.get() } catch {
                        throw Fault(.storeUnavailable, "The report cannot be read. Please retry.", cause: error)
                    }
                    guard let found, found.owner == principal.id || found.project == principal.project && found.project != .default else {
                        throw Fault.resourceNotFound
                    }
                    answerStatus = 200
                    finish(Exchange.json(found.report, named: name), type: "application/json")
                }
            }
    }

    private static func json(_ report: TrainingFileReport, named name: String) -> ByteBuffer {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        for (key, value) in [
            ("file", name), ("format", report.format.rawValue), ("sha256", report.hash),
            ("decision", report.refusals.isEmpty ? "accepted" : "refused"),
            ("licence", report.licence), ("consent", report.consent), ("label", report.label),
        ] as [(StaticString, String?)] {
            json.key(key)
            if let value { json.string(value) } else { json.null() }
        }
        json.key("consent_proven")
        json.bool(report.isConsentProven)
        json.key("rows")
        json.int(report.rows)
        json.key("duplicate_share")
        json.raw(ByteBuffer(string: "\(report.duplicateShare)"))
        json.key("refusals")
        json.beginArray()
        for refusal in report.refusals { json.string(refusal) }
        json.endArray()
        json.key("counts")
        json.beginObject()
        for (kind, count) in report.counts.sorted(by: { $0.key < $1.key }) {
            json.key(kind)
            json.int(count)
        }
        json.endObject()
        json.key("items")
        json.beginArray()
        for item in report.items {
            json.beginObject()
            json.key("row")
            json.int(item.row)
            json.key("kind")
            json.string(item.kind.rawValue)
            json.key("detail")
            json.string(item.detail)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.buffer
    }
}
