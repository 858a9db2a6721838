import SallyportCore

/// The roles that are always there. Azure's have Azure's ids and permissions (learn.microsoft.com, "Azure built-in roles for AI + machine
/// learning", and the definitions that the service answers with); ours have ids of their own.
package enum BuiltInRoles {
    package static let all: [RoleDefinition] = azure + own

    private static let resourceReads = [
        "Microsoft.Insights/alertRules/read", "Microsoft.Insights/diagnosticSettings/read", "Microsoft.Insights/logDefinitions/read",
        "Microsoft.Insights/metricdefinitions/read", "Microsoft.Insights/metrics/read",
        "Microsoft.ResourceHealth/availabilityStatuses/read", "Microsoft.Resources/deployments/*",
        "Microsoft.Resources/subscriptions/operationresults/read", "Microsoft.Resources/subscriptions/read",
        "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Support/*",
    ]

    private static let azure: [RoleDefinition] = [
        RoleDefinition(
            id: "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", role: "openai-user", name: "Cognitive Services OpenAI User",
            description: "View files, models and deployments, and call the models.", isBuiltIn: true,
            actions: [
                "Microsoft.CognitiveServices/*/read", "Microsoft.Authorization/roleAssignments/read",
                "Microsoft.Authorization/roleDefinitions/read",
            ],
            dataActions: [
                "*/read", "engines/completions/action", "engines/search/action", "engines/generate/action", "deployments/audio/action",
                "deployments/search/action", "deployments/completions/action", "deployments/chat/completions/action",
                "deployments/extensions/chat/completions/action", "deployments/embeddings/action", "deployments/realtime/action",
                "images/generations/action", "assistants/*", "responses/*",
            ].map { "Microsoft.CognitiveServices/accounts/OpenAI/\($0)" },
            notDataActions: ["Microsoft.CognitiveServices/accounts/OpenAI/stored-completions/read"]),
        RoleDefinition(
            id: "a001fd3d-188f-4b5d-821b-7da978bf7442", role: "openai-contributor", name: "Cognitive Services OpenAI Contributor",
            description: "Everything of the OpenAI data plane, fine-tuning included, and deployments.", isBuiltIn: true,
            actions: [
                "Microsoft.CognitiveServices/*/read", "Microsoft.CognitiveServices/accounts/deployments/write",
                "Microsoft.CognitiveServices/accounts/deployments/delete", "Microsoft.CognitiveServices/accounts/raiPolicies/read",
                "Microsoft.CognitiveServices/accounts/raiPolicies/write", "Microsoft.CognitiveServices/accounts/raiPolicies/delete",
                "Microsoft.CognitiveServices/accounts/commitmentplans/read", "Microsoft.CognitiveServices/accounts/commitmentplans/write",
                "Microsoft.CognitiveServices/accounts/commitmentplans/delete", "Microsoft.Authorization/roleAssignments/read",
                "Microsoft.Authorization/roleDefinitions/read",
            ], dataActions: ["Microsoft.CognitiveServices/accounts/OpenAI/*"]),
        RoleDefinition(
            id: "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68", role: "cognitive-contributor", name: "Cognitive Services Contributor",
            description: "Create, read, update and delete the service, keys included; no call of a model.", isBuiltIn: true,
            actions: [
                "Microsoft.Authorization/*/read", "Microsoft.CognitiveServices/*", "Microsoft.Features/features/read",
                "Microsoft.Features/providers/features/read", "Microsoft.Features/providers/features/register/action",
                "Microsoft.Insights/alertRules/*", "Microsoft.Insights/diagnosticSettings/*", "Microsoft.Insights/logDefinitions/read",
                "Microsoft.Insights/metricdefinitions/read", "Microsoft.Insights/metrics/read",
                "Microsoft.ResourceHealth/availabilityStatuses/read", "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/deployments/operations/read", "Microsoft.Resources/subscriptions/operationresults/read",
                "Microsoft.Resources/subscriptions/read", "Microsoft.Resources/subscriptions/resourcegroups/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Support/*",
            ]),
        RoleDefinition(
            id: "a97b65f3-24c7-4388-baec-2e87135dc908", role: "cognitive-user", name: "Cognitive Services User",
            description: "Read, list keys, and call every service.", isBuiltIn: true,
            actions: ["Microsoft.CognitiveServices/*/read", "Microsoft.CognitiveServices/accounts/listkeys/action"] + resourceReads,
            dataActions: ["Microsoft.CognitiveServices/*"],
            notDataActions: [
                "Microsoft.CognitiveServices/accounts/OpenAI/batch-jobs/write",
                "Microsoft.CognitiveServices/accounts/OpenAI/batch-jobs/delete",
            ]),
        RoleDefinition(
            id: "bba48692-92b0-4667-a9ad-c31c7b334ac2", role: "usages-reader", name: "Cognitive Services Usages Reader",
            description: "View quota usage; nothing else.", isBuiltIn: true,
            actions: ["Microsoft.CognitiveServices/locations/usages/read"]),
        RoleDefinition(
            id: "1407120a-92aa-4202-b7e9-c0e197c71c8f", role: "search-data-reader", name: "Search Index Data Reader",
            description: "Read documents of indexes.", isBuiltIn: true,
            dataActions: ["Microsoft.Search/searchServices/indexes/documents/read"]),
    ]

    private static let own: [RoleDefinition] = [
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000001", role: .modelUser, name: "Sallyport Model User",
            description: "What an API key of an Azure resource may do: the whole OpenAI data plane, analyses, and routed services.",
            isBuiltIn: true,
            dataActions: ["Microsoft.CognitiveServices/*", "Microsoft.Search/searchServices/indexes/documents/read"],
            notDataActions: ["blocklists", "categories", "incidents"].flatMap { resource in
                ["read", "write", "delete"].map { "Microsoft.CognitiveServices/accounts/ContentSafety/\(resource)/\($0)" }
            }),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000002", role: .safetyOperator, name: "Sallyport Safety Operator",
            description: "Manage blocklists, and call the analyses of Content Safety and Language.", isBuiltIn: true,
            dataActions: [
                "Microsoft.CognitiveServices/accounts/ContentSafety/*", "Microsoft.CognitiveServices/accounts/Language/*",
            ]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000003", role: .metricsReader, name: "Sallyport Metrics Reader",
            description: "Read /metrics.", isBuiltIn: true, dataActions: ["Sallyport/metrics/read"]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000004", role: "security-reader", name: "Sallyport Security Reader",
            description: "See alerts, policies, access and metrics; change nothing, read no content.", isBuiltIn: true,
            actions: [
                "Sallyport/alerts/read", "Sallyport/incidents/read", "Sallyport/policies/read", "Sallyport/access/read",
                "Sallyport/keys/read", "Sallyport/configuration/read",
            ], dataActions: ["Sallyport/metrics/read", "Microsoft.CognitiveServices/accounts/ContentSafety/blocklists/read"]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000005", role: "security-operator", name: "Sallyport Security Operator",
            description: "Work on alerts and incidents and contain them: blocklists, keys and principals.", isBuiltIn: true,
            actions: [
                "Sallyport/alerts/*", "Sallyport/incidents/*", "Sallyport/policies/read", "Sallyport/access/read", "Sallyport/keys/read",
                "Sallyport/keys/revoke/action", "Sallyport/principals/disable/action", "Sallyport/tokens/revoke/action",
                "Sallyport/configuration/read",
            ],
            dataActions: ["Sallyport/metrics/read", "Microsoft.CognitiveServices/accounts/ContentSafety/*"]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000006", role: "privacy-officer", name: "Sallyport Privacy Officer",
            description: "Answer data subjects: retention, consent, erasure, pseudonyms; and the analysis of personal data.",
            isBuiltIn: true,
            actions: [
                "Sallyport/privacy/*", "Sallyport/retention/*", "Sallyport/pseudonyms/resolve/action", "Sallyport/subjects/*",
                "Sallyport/audit/read",
            ], dataActions: ["Microsoft.CognitiveServices/accounts/Language/*"]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000007", role: "auditor", name: "Sallyport Auditor",
            description: "Read everything that is set up or recorded; change nothing, call nothing.", isBuiltIn: true,
            actions: [
                "Sallyport/*/read", "Microsoft.CognitiveServices/*/read", "Microsoft.Authorization/*/read", "Sallyport/audit/export/action",
            ],
            notActions: ["Sallyport/content/*", "Sallyport/pseudonyms/*"],
            dataActions: [
                "Sallyport/metrics/read", "Microsoft.CognitiveServices/accounts/ContentSafety/blocklists/read",
                "Microsoft.CognitiveServices/accounts/OpenAI/models/read",
            ]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000008", role: "access-administrator", name: "Sallyport Access Administrator",
            description: "Give and take roles, keys and tokens; call nothing.", isBuiltIn: true,
            actions: [
                "Sallyport/access/*", "Sallyport/keys/*", "Sallyport/tokens/*", "Sallyport/principals/*", "Sallyport/accounts/*",
                "Sallyport/sessions/*", "Sallyport/elevations/*", "Sallyport/reviews/*", "Microsoft.Authorization/*",
            ], notActions: ["Sallyport/access/privileged/action"]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000009", role: .administrator, name: "Sallyport Administrator",
            description: "Set up everything: access, policies, accounts, incidents; call nothing, read no content.", isBuiltIn: true,
            actions: ["*"], notActions: ["Sallyport/content/*", "Sallyport/pseudonyms/resolve/action"]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000010", role: "policy-administrator", name: "Sallyport Policy Administrator",
            description: "Write guard policies and conditional access; give no rights, call nothing.", isBuiltIn: true,
            actions: [
                "Sallyport/policies/*", "Sallyport/conditionalAccess/*", "Sallyport/changes/*", "Sallyport/configuration/read",
            ]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000011", role: "index-contributor", name: "Sallyport Index Contributor",
            description: "Bring documents into indexes, list, label and remove them; release nothing, lower no label, read no content.",
            isBuiltIn: true,
            actions: [
                "Sallyport/indexes/read", "Sallyport/indexes/documents/*", "Sallyport/indexes/labels/write",
                "Sallyport/indexes/quarantine/read",
            ]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000012", role: "document-reviewer", name: "Sallyport Document Reviewer",
            description: "Look at what waits in quarantine, release what others brought, and label it; bring nothing.", isBuiltIn: true,
            actions: [
                "Sallyport/indexes/read", "Sallyport/indexes/labels/*", "Sallyport/indexes/quarantine/*",
                "Sallyport/content/quarantine/read",
            ]),
        RoleDefinition(
            id: "5a11e000-0000-4000-8000-000000000020", role: "scim-provisioner", name: "Sallyport Provisioner",
            description: "Bring people and groups by SCIM, for an identity provider; nothing else.", isBuiltIn: true,
            actions: ["Sallyport/scim/*"]),
    ]
}
