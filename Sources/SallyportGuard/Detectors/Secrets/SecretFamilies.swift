/// The secrets that are known by their shape, after their issuers' documentation.
enum SecretFamilies {
    static let all: [SecretFamily] = own + clouds + models + sources + services

    private static let own: [SecretFamily] = [
        .init("SallyportAPIKey", "spk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}", .alphanumeric, 62...62) { text, range in
            SecretChecks.hasBase62CRC(text, of: range.lowerBound..<range.upperBound - 6, digits: range.upperBound - 6) ? 1 : nil
        }
    ]

    private static let clouds: [SecretFamily] = [
        // Issued in base32; keys of test systems are not.
        .init("AWSAccessKeyID", "(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", .alphanumeric, 20...20) { text, range in
            SecretChecks.has(ByteSet("0189"), in: text, range) ? 0.75 : 0.85
        },
        .init("AzureStorageAccountKey", "AccountKey=[A-Za-z0-9+/]{86}==", .base64, 88...88, lead: 11, confidence: 0.95, ignoresCase: true) {
            text, range in
            SecretChecks.mentions("accountendpoint=", in: text, near: range, within: 300) ? nil : 0.95
        },
        .init("AzureDocumentDBAuthKey", "AccountKey=[A-Za-z0-9+/]{86}==", .base64, 88...88, lead: 11, confidence: 0.95, ignoresCase: true) {
            text, range in
            SecretChecks.mentions("accountendpoint=", in: text, near: range, within: 300) ? 0.95 : nil
        },
        .init("AzureServiceBusString", "SharedAccessKey=[A-Za-z0-9+/]{43}=", .base64, 44...44, lead: 16, ignoresCase: true) { text, range in
            SecretChecks.mentions("azure-devices", in: text, near: range, within: 300) ? nil : 0.9
        },
        .init("AzureIoTConnectionString", "SharedAccessKey=[A-Za-z0-9+/]{43}=", .base64, 44...44, lead: 16, ignoresCase: true) {
            text, range in
            SecretChecks.mentions("azure-devices", in: text, near: range, within: 300) ? 0.9 : nil
        },
        .init("AzureSAS", "sig=[A-Za-z0-9%+/]{20}", .percent, 40...120, lead: 4) { text, range in
            SecretChecks.isQueryField(text, before: range.lowerBound - 4)
                && SecretChecks.mentions("se=", in: text, near: range, within: 400)
                ? 0.9 : nil
        },
        .init("AzureEntraClientSecret", "[A-Za-z0-9_~.\\-]{3}[0-9]Q~[A-Za-z0-9_~.\\-]{31}", .entra, 37...40),
        .init("AzurePublishSettingPassword", "userPWD=\"[A-Za-z0-9]{60}\"", .alphanumeric, 60...61, lead: 9, ignoresCase: true),
        .init("GoogleAPIKey", "AIza[0-9A-Za-z_\\-]{35}", .word, 39...39),
        .init("GoogleOAuthAccessToken", "ya29\\.[0-9A-Za-z_\\-]{20}", .dottedWord, 25...2_048),
        .init("GoogleOAuthClientSecret", "GOCSPX-[0-9A-Za-z_\\-]{28}", .word, 35...35),
        .init("DigitalOceanToken", "d(?:op|oo|or)_v1_[a-f0-9]{64}", .hex, 71...71),
        .init("HashiCorpVaultToken", "hv[sb]\\.[A-Za-z0-9_\\-]{24}", .word, 28...300),
        .init("DatabricksToken", "dapi[a-f0-9]{32}", .word, 36...38),
    ]

    private static let models: [SecretFamily] = [
        .init("OpenAIAPIKey", "sk-(?:proj|None)-[A-Za-z0-9_\\-]{20}", .word, 48...300, check: openAI),
        .init("OpenAIAPIKey", "sk-svcacct-[A-Za-z0-9_\\-]{20}", .word, 48...300, check: openAI),
        .init("OpenAIAPIKey", "sk-admin-[A-Za-z0-9_\\-]{20}", .word, 48...300, check: openAI),
        .init("OpenAIAPIKey", "sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}", .word, 51...51, confidence: 0.95),
        .init("AnthropicAPIKey", "sk-ant-(?:api|sid|oat)[0-9]{2}-[A-Za-z0-9_\\-]{20}", .word, 60...200, confidence: 0.95),
        .init("AnthropicAPIKey", "sk-ant-admin[0-9]{2}-[A-Za-z0-9_\\-]{20}", .word, 60...200, confidence: 0.95),
        .init("HuggingFaceToken", "(?:hf|api)_[A-Za-z]{34}", .alphanumeric, 37...38) { text, range in
            text[range.lowerBound] == UInt8(ascii: "h") && range.count == 37
                ? 0.85
                : range.count == 38 && SecretChecks.mentions("hugging", in: text, near: range, within: 200) ? 0.75 : nil
        },
        .init("GroqAPIKey", "gsk_[A-Za-z0-9]{52}", .alphanumeric, 56...56),
        .init("PerplexityAPIKey", "pplx-[A-Za-z0-9]{48}", .alphanumeric, 53...53),
        .init("XAIAPIKey", "xai-[A-Za-z0-9]{80}", .alphanumeric, 84...84),
        .init("OpenRouterAPIKey", "sk-or-v1-[a-f0-9]{64}", .hex, 73...73),
        .init("ReplicateToken", "r8_[A-Za-z0-9]{37}", .alphanumeric, 40...40),
    ]

    private static let sources: [SecretFamily] = [
        .init("GitHubToken", "gh[pousr]_[A-Za-z0-9]{36}", .alphanumeric, 40...40) { text, range in
            SecretChecks.hasBase62CRC(text, of: range.lowerBound + 4..<range.upperBound - 6, digits: range.upperBound - 6) ? 0.95 : 0.65
        },
        .init("GitHubFineGrainedToken", "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", .alphanumeric, 93...93, confidence: 0.95),
        .init("GitLabToken", "gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_\\-]{20}", .dottedWord, 24...400),
        .init("NpmToken", "npm_[A-Za-z0-9]{36}", .alphanumeric, 40...40) { text, range in
            SecretChecks.hasBase62CRC(text, of: range.lowerBound + 4..<range.upperBound - 6, digits: range.upperBound - 6) ? 0.95 : 0.75
        },
        .init("PyPIToken", "pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\\-]{50}", .word, 69...500, confidence: 0.95),
        .init("DockerToken", "dckr_pat_[A-Za-z0-9_\\-]{27}", .word, 36...36),
    ]

    private static let services: [SecretFamily] = [
        .init("SlackToken", "xox[abeoprs]-[A-Za-z0-9\\-]{20}", .word, 25...300) { text, range in
            SecretChecks.has(.digits, in: text, range.lowerBound + 5..<range.upperBound) ? 0.85 : nil
        },
        .init(
            "SlackWebhook", "hooks\\.slack\\.com/services/T[A-Za-z0-9]{8}",
            ByteSet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/"), 40...90, lead: 16),
        .init("StripeKey", "[sr]k_live_[A-Za-z0-9]{24}", .alphanumeric, 32...260, confidence: 0.95),
        .init("StripeWebhookSecret", "whsec_[A-Za-z0-9+/]{32}", .base64, 38...90),
        .init("SendGridKey", "SG\\.[A-Za-z0-9_\\-]{22}\\.[A-Za-z0-9_\\-]{43}", .word, 69...69, confidence: 0.95),
        .init("TwilioKey", "SK[0-9a-f]{32}", .alphanumeric, 34...34) { text, range in
            SecretChecks.mentions("twilio", in: text, near: range, within: 300) ? 0.85 : nil
        },
        .init("ShopifyToken", "shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}", .hex, 38...38, confidence: 0.95),
        .init("AtlassianToken", "ATATT3[A-Za-z0-9_=\\-]{50}", .credential, 56...300, confidence: 0.95),
        .init("LinearAPIKey", "lin_api_[A-Za-z0-9]{40}", .alphanumeric, 48...48),
        .init("TelegramBotToken", ":AA[A-Za-z0-9_\\-]{33}", .word, 35...35, lead: 1) { text, range in
            SecretChecks.digits(in: text, before: range.lowerBound - 1) >= 8 ? 0.85 : nil
        },
        .init("AgeSecretKey", "AGE-SECRET-KEY-1[A-Z0-9]{58}", .alphanumeric, 74...74, confidence: 0.95, ignoresCase: true),
        .init("KubernetesClientKey", "client-key-data: LS0tLS1CRUdJTi[A-Za-z0-9+/]{6}", .base64, 20...20_000, lead: 17, confidence: 0.95),
    ]

    /// The middle of every key of the current forms is `OpenAI` in base64.
    private static let openAI: @Sendable (UnsafeRawBufferPointer, Range<Int>) -> Double? = { text, range in
        SecretChecks.mentions("t3blbkfj", in: text, near: range, within: 0) ? 0.95 : 0.75
    }
}
