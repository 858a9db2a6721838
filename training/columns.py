"""Names of the model's outputs, shared by training, export and evaluation."""

HARMS = ("hate", "sexual", "violence", "self_harm")
SEVERITIES = (2, 4, 6)
SUBKINDS = ("attack_changing_rules", "attack_conversation_mockup", "attack_role_play", "attack_encoding", "attack_leak")

SEQUENCE_GROUPS = [
    ("prompt_attack", ["prompt_attack"]),
    ("attack_kind", list(SUBKINDS)),
    ("document_attack", ["document_attack"]),
    *[(harm, [f"{harm}_{s}" for s in SEVERITIES]) for harm in HARMS],
    ("ungrounded", ["ungrounded"]),
    ("off_task", ["off_task"]),
]
ORDINAL_HEADS = set(HARMS)
BRANCH_GROUPS = [(name, columns) for name, columns in SEQUENCE_GROUPS if name in ("prompt_attack", "attack_kind", *HARMS)]  # what the branch answers, where a model has one
SEQUENCE_COLUMNS = [c for _, columns in SEQUENCE_GROUPS for c in columns]
COLUMN = {name: i for i, name in enumerate(SEQUENCE_COLUMNS)}

NAMES = ("PERSON", "LOCATION", "ORGANIZATION")
BIO = ["O"] + [f"{p}-{n}" for n in NAMES for p in ("B", "I")]
TOKEN_COLUMNS = ["payload"] + BIO + ["unsupported"]

CASE_CLASSES = 6
MAX_TOKENS = 128
WINDOW = 126
STRIDE = 96
PAIR_TEXT = 62
