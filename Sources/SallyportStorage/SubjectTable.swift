import SallyportCore

/// Where one table says whom a row is about, what of it is told, and what becomes of it when the subject is erased.
struct SubjectTable: Sendable {
    /// How a column names somebody.
    enum Form: Sendable {
        /// The principal's id.
        case principal
        /// `user:ID` or `service:ID`; `key:ID` for the principal's keys.
        case reference
        /// The id of one of the principal's keys.
        case key
        /// `user:ID` or `key:ID`, as limits name scopes.
        case scope
        /// The name of a local account: the principal's id without `local:`.
        case account
    }

    enum Erasure: Sendable {
        case delete
        /// The row stays and names nobody: the column is overwritten.
        case rename(column: String)
        /// The row stays as it is.
        case keep(String)
        /// Rows that a condition holds of stay, the others go: nobody sheds by an erasure what holds him back.
        case deleteBut(@Sendable (_ now: Int64) -> String, why: String)
    }

    let table: String
    let columns: [(name: String, form: Form)]
    /// What is told to the subject.
    let shown: [String]
    let erasure: Erasure
    /// The table has no column `tenant`.
    var isShared = false

    /// What may be put right in place. Everything else is evidence, a setting with a command of its own, or comes from elsewhere and would come
    /// back wrong: provisioned people are put right at the identity provider.
    static let correctable: [String: Set<String>] = [
        "account": ["display_name"], "api_key": ["name", "team"], "role_assignment": ["note"], "eligible_assignment": ["note"],
        "principal_risk": ["reason"], "device_posture": ["platform"],
    ]

    /// In an order in which rows can be deleted.
    static let all: [SubjectTable] = [
        SubjectTable(table: "key_use", columns: [("key_id", .key)], shown: ["key_id", "last_used_at"], erasure: .delete),
        SubjectTable(
            table: "access_use", columns: [("principal", .principal), ("key_id", .key)],
            shown: ["principal", "key_id", "action", "deployment", "day", "allowed", "denied", "last_at"], erasure: .delete),
        SubjectTable(
            table: "usage_counter", columns: [("scope", .scope)], shown: ["scope", "period", "tokens", "cost_micros"], erasure: .delete),
        SubjectTable(
            table: "role_assignment", columns: [("principal", .reference)],
            shown: ["principal", "role", "scope", "effect", "hold_condition", "expires_at", "created_at", "note"],
            erasure: .deleteBut({ _ in "effect = 'deny'" }, why: "without it what was denied would be allowed")),
        SubjectTable(
            table: "eligible_assignment", columns: [("principal", .reference)],
            shown: ["principal", "role", "scope", "maximum_duration", "created_at", "note"], erasure: .delete),
        SubjectTable(
            table: "elevation", columns: [("principal", .principal)],
            shown: ["id", "role", "scope", "reason", "duration", "requested_at", "state", "decided_at", "ends_at"],
            erasure: .keep("evidence of privileged access (article 17(3)(b))")),
        SubjectTable(
            table: "pending_change", columns: [("requested_by", .principal), ("decided_by", .principal)],
            shown: ["id", "act", "target", "requested_at", "state", "decided_at"],
            erasure: .keep("evidence of who changed what (article 17(3)(b))")),
        SubjectTable(
            table: "console_session", columns: [("principal", .principal)], shown: ["id", "created_at", "last_used_at", "expires_at"],
            erasure: .delete),
        SubjectTable(
            table: "principal_risk", columns: [("principal", .principal)], shown: ["level", "reason", "set_at", "expires_at"],
            erasure: .deleteBut(
                { now in "expires_at IS NULL OR expires_at > \(now)" }, why: "without it what was blocked for the risk would be allowed")),
        SubjectTable(
            table: "device_posture", columns: [("owner", .principal)], shown: ["id", "platform", "is_compliant", "reported_at"],
            erasure: .delete),
        SubjectTable(
            table: "account_factor", columns: [("account", .account)], shown: ["id", "kind", "name", "created_at", "last_used_at"],
            erasure: .delete),
        SubjectTable(table: "one_time_link", columns: [("account", .account)], shown: ["created_at", "expires_at"], erasure: .delete),
        SubjectTable(
            table: "account", columns: [("name", .account)], shown: ["name", "display_name", "created_at", "disabled_at"], erasure: .delete),
        SubjectTable(
            table: "file_report", columns: [("owner", .principal)], shown: ["id", "project", "created_at"], erasure: .delete),
        SubjectTable(
            table: "ownership", columns: [("principal", .principal)], shown: ["kind", "id", "upstream", "deployment", "created_at"],
            erasure: .keep("the resources lie at the upstream: delete them there, the ledger forgets them with it")),
        SubjectTable(
            table: "document", columns: [("owner", .principal)], shown: ["collection", "id", "title", "added_at"],
            erasure: .rename(column: "owner")),
        SubjectTable(
            table: "revocation", columns: [("subject", .principal)], shown: ["kind", "not_before", "created_at", "note"],
            erasure: .keep("without it what was disabled would work again")),
        SubjectTable(
            table: "review_item", columns: [("subject", .reference), ("principal", .principal), ("reviewed_by", .reference)],
            shown: ["campaign", "subject", "content"], erasure: .keep("evidence of access control (article 17(3)(b))")),
        SubjectTable(
            table: "privacy_consent", columns: [("subject", .principal)],
            shown: ["kind", "purpose", "version", "given_at", "withdrawn_at", "evidence"],
            erasure: .keep("proof that there was consent, and that an objection is heeded (articles 7(1), 21)")),
        SubjectTable(
            table: "provisioned_user", columns: [("principal", .principal)],
            shown: ["id", "user_name", "external_id", "is_active", "attributes", "created_at", "modified_at"], erasure: .delete),
        SubjectTable(
            table: "stored_exchange", columns: [("subject", .principal)],
            shown: ["id", "deployment", "operation", "policy", "purpose", "legal_basis", "stored_at", "expires_at"], erasure: .delete),
        SubjectTable(
            table: "privacy_acknowledgement", columns: [("subject", .principal)], shown: ["notice", "version", "at"], erasure: .delete),
        SubjectTable(
            table: "legal_hold", columns: [("subject", .principal)], shown: ["reason", "placed_at", "review_at", "released_at"],
            erasure: .keep("the hold is evidence")),
        SubjectTable(
            table: "subject_request", columns: [("subject", .principal)], shown: ["id", "status", "received_at"],
            erasure: .keep("proof that the request was answered (article 5(2))")),
        SubjectTable(table: "pseudonym", columns: [("principal", .principal)], shown: ["used_at"], erasure: .delete),
        SubjectTable(
            table: "api_key", columns: [("principal", .principal)],
            shown: ["id", "name", "team", "roles", "deployments", "created_at", "expires_at", "revoked_at"], erasure: .delete),
    ]

    /// Tables in which nobody can be found by name, with the reason; whatever is in neither list is told of as not searched.
    static let impersonal: [String: String] = [
        "revision": "counters", "blocklist": "no person", "blocklist_item": "words to look for, not about anybody by name",
        "policy": "no person", "policy_version": "no person", "custom_category": "no person", "custom_category_number": "no person",
        "custom_category_sample": "samples without a subject", "safety_operation": "no person", "text_incident": "no person",
        "text_incident_sample": "samples without a subject", "document_chunk": "texts of documents: mentions of people are not indexed",
        "document_removal": "no person", "access_use_place": "no person",
        "review_campaign": "no person but reviewers, who stand in its items",
        "tenant_secret": "no person", "privacy_notice": "no person", "subject_key": "secrets, destroyed with the erasure",
        "stored_exchange_removal": "ids of exchanges, no person", "provisioned_group": "no person",
        "provisioned_member": "ids of users, which stand for nobody once the user is erased",
        "conditional_policy": "rules; who is named in them is there by an administrator's act", "conditional_policy_number": "no person",
        "sign_in_failure": "names of accounts, fingerprints and networks, forgotten within a day",
        "conversation_label": "fingerprints of conversations",
        "background_response": "ids of responses, whose owners stand in the ledger of ownership", "grdb_migrations": "no person",
    ]
}
