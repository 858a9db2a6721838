import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportOversight
import SallyportWire

/// May the caller do what is asked? Twice: as soon as the head is read, whether it might at all, so that nobody uploads what will be refused;
/// then, with the deployment known, whether it may.
extension Exchange {
    /// The data action that the request needs; nil for what is open or unknown.
    private var requiredAction: String? {
        switch target {
        case .openAI(let operation, _, _, _): operation.dataAction
        case .contentSafety(let rest): DataActions.ofContentSafety(rest, method: head.method.rawValue)
        case .language: DataActions.analyzeLanguage
        case .search: SearchCall.dataAction
        case .service(let upstream): DataActions.ofService(upstream.id, method: head.method.rawValue)
        case .metrics: DataActions.readMetrics
        // Whoever may make such calls, or upload files, and it was their own.
        case .confirmation: DataActions.of(.chatCompletions, act: nil)
        case .fileReport: DataActions.of(.filesGet, act: nil)
        case .health, .ready, .unknown, nil: nil
        }
    }

    /// The operation, as a denial names it.
    private var displayed: String {
        let method = head.method.rawValue
        switch target {
        case .openAI(let operation, let form, _, _):
            let rest = operation.path.map { $0 == "*" ? "{id}" : $0 }.joined(separator: "/")
            if form == .v1 { return "\(method) /openai/v1/\(rest)" }
            return "\(method) /openai/\(operation.isDeploymentScoped ? "deployments/{deployment-id}/" : "")\(rest)"
        case .contentSafety(let rest):
            return "\(method) /contentsafety/\(SafetyCall(rest)?.rawValue ?? "text/\((SafetyResource(rest) ?? .blocklists).rawValue)")"
        case .language: return "\(method) /language/:analyze-text"
        case .search: return "\(method) /indexes/{index}/docs"
        case .service(let upstream): return "\(method) \(upstream.paths.first ?? "/")"
        case .confirmation: return "\(method) /sallyport/v1/confirmations/{id}"
        case .fileReport: return "\(method) /sallyport/v1/files/{id}/report"
        default: return "\(method) /metrics"
        }
    }

    /// What the operation is called in records and in the confinement of keys.
    func operationName(of target: RequestTarget) -> String {
        switch target {
        case .openAI(let operation, _, _, _): operation.name.rawValue
        case .contentSafety(let rest): SafetyCall(rest)?.operation ?? (SafetyResource(rest) ?? .blocklists).operation
        case .language: "Language_AnalyzeText"
        case .search(let call): call.operation
        case .service: Operation.Name.service.rawValue
        case .health, .ready: "Health"
        case .metrics: "Metrics"
        case .confirmation: "Confirmations"
        case .fileReport: "FileReports"
        case .unknown: ""
        }
    }

    func checkMightBePermitted() throws {
        guard let action = requiredAction, let rights, let principal else { return }
        if rights.confinementByAddress(address) != nil { throw Fault.networkDenied }
        if let operations = principal.scope.operations, !operations.contains(summary.operation) { throw denied(action) }
        guard rights.mightPermit(action) else {
            permission = (action, .lacking)
            throw denied(action)
        }
    }

    /// - Throws: ``Fault`` `.permissionDenied` naming the data action that is missing.
    func authorise(_ deployment: Deployment? = nil) throws {
        guard let action = requiredAction else { return }
        guard let rights else { throw Fault.invalidKey }
        let context = accessContext(deployment)
        let decision = rights.decision(on: action, in: context)
        permission = (action, decision)
        guard decision.isAllowed else { throw denied(action) }
        guard let outcome = conditionalOutcome(context), !outcome.isAllowed else { return }
        guard let wanted = outcome.challenge(at: context.now) else { throw Fault(.permissionDenied, outcome.sentence) }
        challenge = wanted
        throw Fault(.invalidToken, outcome.sentence)
    }

    /// Whether what was permitted still is, with the rights of now. What asks for another sign-in lets finish what has begun; a block does not.
    func confirmRight(_ rights: AccessRights) throws {
        guard let permission else { return }
        let context = accessContext(deployment)
        guard rights.decision(on: permission.action, in: context).isAllowed else { throw denied(permission.action) }
        if let outcome = conditionalOutcome(context), !outcome.isAllowed, outcome.challenge(at: context.now) == nil {
            throw Fault(.permissionDenied, outcome.sentence)
        }
    }

    /// What conditional access says; nil while there are no policies. What policies only report goes on record, now and then.
    private func conditionalOutcome(_ context: AccessContext) -> ConditionalOutcome? {
        let identity = runtime.parts.identity
        guard let policies = identity.conditional.inForce, let caller = principal else { return nil }
        let principal = identity.access.snapshot.complete(caller)
        let roles = policies.asksForRoles ? identity.access.snapshot.roles(of: principal, in: context) : principal.roles
        let outcome = policies.outcome(for: principal, roles: roles, in: ConditionalContext(.data, context))
        for finding in outcome.reported where identity.conditional.reports.isDue(finding, principal.id, at: context.now) {
            var record = AuditRecord(.accessReport, id: id)
            record.tenant = principal.tenant
            record.principal = principal.id
            record.key = principal.key
            record.sourceAddress = source.text
            record.operation = summary.operation
            record.deployment = context.deployment
            record.reason = finding.demand.rawValue
            record.details = [(name: "policy", value: finding.policy)]
            _ = runtime.parts.audit.append(record.encoded(), on: eventLoop)
        }
        return outcome
    }

    /// Whether an operation other than the request's own (a row of a batch) may be called.
    func may(_ action: String, as operation: String, at deployment: Deployment) -> Bool {
        var context = accessContext(deployment)
        context.operation = operation
        guard rights?.decision(on: action, in: context).isAllowed ?? false else { return false }
        return conditionalOutcome(context)?.isAllowed ?? true
    }

    /// Whether the caller uses a deployment in any way: what it makes may then be used there.
    func mayUse(_ deployment: DeploymentID) -> Bool {
        guard let rights, let found = snapshot.deployments[deployment] else { return false }
        return rights.reaches(found.id, project: found.project, with: DataActions.invoking)
    }

    /// For lists of models.
    func maySee(_ deployment: Deployment) -> Bool {
        guard let action = requiredAction else { return false }
        return rights?.decision(on: action, in: accessContext(deployment)).isAllowed ?? false
    }

    private func accessContext(_ deployment: Deployment?) -> AccessContext {
        AccessContext(
            deployment: deployment?.id, project: deployment?.project ?? principal?.project ?? .default, operation: summary.operation,
            label: deployment?.label, client: principal?.client, address: address, now: runtime.parts.clock().seconds)
    }

    private func denied(_ action: String) -> Fault { Fault.lacks(action, for: displayed, principal: principal?.id) }

    var address: IPAddress? { source.ip }
}
