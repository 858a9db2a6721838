"""A trained checkpoint as OpenVINO IR: Models/guard (all heads) and Models/embedding (the untouched base).

    export.py --checkpoint FILE.safetensors --out MODELS [--body int8|f16] [--fields FIELDS.json]
    export.py --embedding --out MODELS

The trunk's graph comes from export_ir.py; the heads are added here (attention pooling per head, see model.py).
"""
import argparse
import json
import os
import pathlib
import shutil

import numpy as np
import openvino as ov
import openvino.opset14 as ops
from safetensors.numpy import load_file

import export_ir
import tokens
from columns import BRANCH_GROUPS, MAX_TOKENS, ORDINAL_HEADS, SEQUENCE_COLUMNS, SEQUENCE_GROUPS, STRIDE, TOKEN_COLUMNS, WINDOW
from export_ir import constant, scalars

HEADS, EPSILON = 12, 1e-12


def bert_names(state: dict) -> dict:
    """The trunk's weights under BERT's names."""
    words = state["trunk.words.weight"]
    if "trunk.letters" in state:
        words = words + state["trunk.letters"][state["trunk.letter_row"]]
    w = {
        "embeddings.word_embeddings.weight": words, "embeddings.position_embeddings.weight": state["trunk.positions.weight"],
        "embeddings.token_type_embeddings.weight": state["trunk.types.weight"], "embeddings.LayerNorm.weight": state["trunk.norm.weight"],
        "embeddings.LayerNorm.bias": state["trunk.norm.bias"], "case_embeddings.weight": state["trunk.case.weight"],
    }
    for own, p in [(f"trunk.layers.{i}.", f"encoder.layer.{i}.") for i in range(6)] + [("branch.layer.", "branch.layer.")] * ("branch.layer.qkv.weight" in state):
        for kind in ("weight", "bias"):
            for name, part in zip(("query", "key", "value"), np.split(state[f"{own}qkv.{kind}"], 3)):
                w[f"{p}attention.self.{name}.{kind}"] = part
            for ours, theirs in (("out", "attention.output.dense"), ("norm1", "attention.output.LayerNorm"), ("up", "intermediate.dense"), ("down", "output.dense"), ("norm2", "output.LayerNorm")):
                w[f"{p}{theirs}.{kind}"] = state[f"{own}{ours}.{kind}"]
    return w


def sequence_heads(states, low, h: dict, groups: list, wanted: set, prefix: str) -> dict:
    """The columns of the `wanted` ones of `groups`, by group; `h` holds the heads' tensors."""
    scores = ops.add(ops.matmul(states, constant(h["query.weight"], prefix + ".query"), False, True), low)
    weights = ops.softmax(ops.transpose(scores, scalars(0, 2, 1)), 2)  # [B,G,T]
    pooled = ops.transpose(ops.matmul(weights, states, False, False), scalars(1, 0, 2))  # [G,B,W]
    hidden = ops.gelu(ops.add(ops.matmul(pooled, constant(h["hidden"], prefix + ".hidden"), False, False), constant(h["hidden_bias"], prefix + ".hidden_bias")), "erf")
    columns = {}
    for index, (name, _) in enumerate(groups):
        if name not in wanted:
            continue
        row = ops.gather(hidden, scalars(index), scalars(0))
        row = ops.squeeze(row, scalars(0))
        raw = ops.add(ops.matmul(row, constant(h[f"out.{index}.weight"], f"{prefix}.{name}"), False, True), constant(h[f"out.{index}.bias"], f"{prefix}.{name}.bias"))
        if name in ORDINAL_HEADS:
            first = ops.slice(raw, scalars(0), scalars(1), scalars(1), scalars(1))
            second = ops.subtract(first, ops.softplus(ops.slice(raw, scalars(1), scalars(2), scalars(1), scalars(1))))
            third = ops.subtract(second, ops.softplus(ops.slice(raw, scalars(2), scalars(3), scalars(1), scalars(1))))
            raw = ops.concat([first, second, third], 1)
        columns[name] = raw
    return columns


def guard(state: dict, body: str) -> ov.Model:
    """With a branch in the checkpoint its groups are answered by it, the others by the trunk's last layer as before."""
    encoder = export_ir.Encoder(bert_names(state), HEADS, body, EPSILON, MAX_TOKENS)
    inputs = [export_ir.parameter(n) for n in ("input_ids", "attention_mask", "token_type_ids", "case_ids")]
    (*_, below, states), mask = encoder.states(*inputs)
    part = lambda prefix: {k.removeprefix(prefix): v.astype(np.float32) for k, v in state.items() if k.startswith(prefix)}
    h, branch = part("heads."), part("branch.heads.")
    low = ops.unsqueeze(ops.multiply(ops.subtract(mask, ops.constant(np.float32(1))), ops.constant(np.float32(10000))), scalars(2))
    names = [name for name, _ in SEQUENCE_GROUPS]
    moved = {name for name, _ in BRANCH_GROUPS} if branch else set()
    columns = sequence_heads(states, low, h, SEQUENCE_GROUPS, set(names) - moved, "heads")
    if branch:
        columns |= sequence_heads(encoder.layer(below, encoder.bias, "branch.layer"), low, branch, BRANCH_GROUPS, moved, "branch")
    own = ops.add(ops.matmul(states, constant(h["token.weight"], "heads.token"), False, True), constant(h["token.bias"], "heads.token.bias"))
    own = ops.add(own, ops.gather(constant(h["token_case.weight"], "heads.token_case"), inputs[3], scalars(0)))
    return ov.Model([export_ir.result(ops.concat([columns[n] for n in names], 1), "sequence"), export_ir.result(own, "tokens")], inputs, "guard")


def vocabulary(models: pathlib.Path) -> pathlib.Path:
    models.mkdir(parents=True, exist_ok=True)
    target = models / "vocab.txt"
    if not target.exists():
        shutil.copy(os.path.join(tokens.base_folder(), "vocab.txt"), target)
    return target


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--checkpoint")
    p.add_argument("--embedding", action="store_true")
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--body", choices=["int8", "f16"], default="int8")
    p.add_argument("--fields", type=pathlib.Path, help="name, version and heads with calibration, as calibrate.py writes them")
    a = p.parse_args()
    words = vocabulary(a.out)
    if a.embedding:
        base = load_file(os.path.join(tokens.base_folder(), "model.safetensors"))
        base = {k: v for k, v in base.items() if v.dtype.kind == "f"}
        export_ir.save(export_ir.embedding_model(base, HEADS, a.body, EPSILON), a.out / "embedding")
        export_ir.write_manifest(a.out / "embedding", words, {"name": "all-MiniLM-L6-v2", "version": "1", "dimensions": 384}, ["embedding"], 256, 254, 224)
        return
    fields = json.loads(a.fields.read_text()) if a.fields else {"name": "sallyport-guard", "version": "0", "heads": {}}
    export_ir.save(guard(load_file(a.checkpoint), a.body), a.out / "guard")
    export_ir.write_manifest(a.out / "guard", words, {"sequence": SEQUENCE_COLUMNS, "tokens": TOKEN_COLUMNS, **fields}, ["sequence"], MAX_TOKENS, WINDOW, STRIDE)


if __name__ == "__main__":
    main()
