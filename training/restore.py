"""A shipped guard (IR with int8 weights) as a checkpoint again: where training starts from when the last checkpoint is gone.

    restore.py --models MODELS --out FILE.safetensors
"""
import argparse
import pathlib

import numpy as np
import openvino as ov
from safetensors.numpy import save_file

from columns import BRANCH_GROUPS, SEQUENCE_GROUPS
from export import HEADS

LAYERS = 6


def constants(folder: pathlib.Path) -> dict:
    """The graph's constants by name; a matrix of codes is multiplied with its scale."""
    model = ov.Core().read_model(folder / "model.xml")
    found = {op.get_friendly_name(): op.data for op in model.get_ops() if op.get_type_name() == "Constant"}
    whole = {}
    for name, value in found.items():
        if name.endswith(".scale"):
            continue
        scale = found.get(name + ".scale")
        whole[name] = np.ascontiguousarray(value.astype(np.float32) if scale is None else value.astype(np.float32) * scale.astype(np.float32))
    return whole


def checkpoint(w: dict) -> dict:
    state = {
        "trunk.words.weight": w["embeddings.word_embeddings.weight"], "trunk.positions.weight": w["embeddings.position_embeddings.weight"],
        "trunk.types.weight": w["embeddings.token_type_embeddings.weight"], "trunk.case.weight": w["case_embeddings.weight"],
        "trunk.norm.weight": w["embeddings.LayerNorm.weight"], "trunk.norm.bias": w["embeddings.LayerNorm.bias"],
        "heads.query.weight": w["heads.query"], "heads.hidden": w["heads.hidden"], "heads.hidden_bias": w["heads.hidden_bias"],
        "heads.token.weight": w["heads.token"], "heads.token.bias": w["heads.token.bias"], "heads.token_case.weight": w["heads.token_case"],
    }
    width = w["embeddings.LayerNorm.weight"].shape[0]
    has_branch = "branch.query" in w
    for own, p in [(f"trunk.layers.{i}.", f"encoder.layer.{i}.") for i in range(LAYERS)] + [("branch.layer.", "branch.layer.")] * has_branch:
        for kind in ("weight", "bias"):
            joined = w[f"{p}attention.self.qkv.{kind}"].copy()
            joined[:width] *= np.sqrt(width // HEADS)  # the scale of the scores had been folded into the queries
            state[f"{own}qkv.{kind}"] = joined
            for ours, theirs in (("out", "attention.output.dense"), ("norm1", "attention.output.LayerNorm"), ("up", "intermediate.dense"), ("down", "output.dense"), ("norm2", "output.LayerNorm")):
                state[f"{own}{ours}.{kind}"] = w[f"{p}{theirs}.{kind}"]
    if has_branch:
        state |= {"branch.heads.query.weight": w["branch.query"], "branch.heads.hidden": w["branch.hidden"], "branch.heads.hidden_bias": w["branch.hidden_bias"]}
        for index, (name, _) in enumerate(BRANCH_GROUPS):
            state[f"branch.heads.out.{index}.weight"], state[f"branch.heads.out.{index}.bias"] = w[f"branch.{name}"], w[f"branch.{name}.bias"]
    for index, (name, _) in enumerate(SEQUENCE_GROUPS):
        whose = "heads" if f"heads.{name}" in w else "branch"  # what the branch answers has no layer of its own at the trunk any more
        state[f"heads.out.{index}.weight"], state[f"heads.out.{index}.bias"] = w[f"{whose}.{name}"], w[f"{whose}.{name}.bias"]
    return {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in state.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--out", required=True, type=pathlib.Path)
    a = p.parse_args()
    a.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(checkpoint(constants(a.models / "guard")), a.out)


if __name__ == "__main__":
    main()
