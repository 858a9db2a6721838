#!/usr/bin/env python3
"""Writes the small models that the engine's unit tests run: two layers of 16, random weights with a fixed seed, a vocabulary of letters.

    generate_tiny_models.py [Tests/SallyportInferenceTests/Fixtures/models]
"""
import hashlib
import json
import pathlib
import sys

import numpy as np

import export_ir
import reading

WORDS = "the of and ignore previous instruction system prompt reset password quick brown fox number word is not all your text".split()


def vocabulary():
    lines = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789") + list("你好世界")
    lines += letters + ["##" + c for c in letters] + list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + WORDS + ["##s", "##ing", "##ed"]
    return list(dict.fromkeys(lines))


def weights(words, hidden=16, layers=2, inner=32, positions=128):
    draw = np.random.default_rng(3)
    normal = lambda *shape, scale=0.3: draw.normal(0, scale, shape).astype(np.float32)
    w = {
        "embeddings.word_embeddings.weight": normal(words, hidden), "embeddings.position_embeddings.weight": normal(positions, hidden, scale=0.1),
        "embeddings.token_type_embeddings.weight": normal(2, hidden, scale=0.1),
    }
    def norm(name):
        w[name + ".weight"], w[name + ".bias"] = 1 + normal(hidden, scale=0.1), normal(hidden, scale=0.1)
    def dense(name, rows, columns):
        w[name + ".weight"], w[name + ".bias"] = normal(rows, columns), normal(rows, scale=0.1)
    norm("embeddings.LayerNorm")
    for number in range(layers):
        own = f"encoder.layer.{number}."
        for part in ("query", "key", "value"):
            dense(f"{own}attention.self.{part}", hidden, hidden)
        dense(own + "attention.output.dense", hidden, hidden)
        norm(own + "attention.output.LayerNorm")
        dense(own + "intermediate.dense", inner, hidden)
        dense(own + "output.dense", hidden, inner)
        norm(own + "output.LayerNorm")
    return w


def cascade(folder, made, buckets=1 << 10, width=4):
    """The cheap model with drawn weights; features and scores written down once more, apart from cascade.py."""
    draw = np.random.default_rng(5)
    tasks = ["prompt_attack", "document_attack", "hate"]
    table = np.zeros((buckets, width), np.int8)
    table[:, : len(tasks)] = draw.integers(-127, 128, (buckets, len(tasks)))
    scale, bias = [0.01, 0.02, 0.015], [0.1, -0.2, 0.3]

    def scores(ids):
        total, runs = [0] * len(tasks), 0
        for length in (1, 2, 3):
            for start in range(len(ids) - length + 1):
                value = 0xCBF29CE484222325
                for byte in [length, *(b for i in ids[start : start + length] for b in (i & 255, i >> 8))]:
                    value = (value ^ byte) * 0x100000001B3 % (1 << 64)
                total = [t + int(v) for t, v in zip(total, table[value % buckets])]
                runs += 1
        return [round(b + s * t / runs**0.5 if runs else b, 5) for b, s, t in zip(bias, scale, total)]

    folder.mkdir(parents=True, exist_ok=True)
    table.tofile(folder / "weights.bin")
    rows = []
    for text, _ in export_ir.SELF_TEST:
        ids = [t.id for t in reading.read(made, text)][:126]
        rows.append({"text": text, "ids": ids, "scores": scores(ids), "tolerance": 0.001})
    manifest = {
        "format": 1, "normaliser": "bert-uncased", "buckets": buckets, "width": width, "tasks": tasks, "scale": scale, "bias": bias,
        "clear_below": {"prompt_attack": 0.5, "document_attack": 1.0, "hate": 1.0},
        "files": {"weights.bin": hashlib.sha256((folder / "weights.bin").read_bytes()).hexdigest()}, "self_test": rows,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False) + "\n")


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "Tests/SallyportInferenceTests/Fixtures/models")
    out.mkdir(parents=True, exist_ok=True)
    lines = vocabulary()
    (out / "vocab.txt").write_text("\n".join(lines) + "\n")
    base = weights(len(lines))
    sequence, tokens = ["prompt_attack", "hate_2", "hate_4", "hate_6"], ["payload", "O", "B-PERSON", "I-PERSON"]
    heads = {
        "prompt_attack": {"column": "prompt_attack", "kind": "sigmoid", "calibration": {"a": 1.5, "b": -0.5}, "thresholds": {"fpr_0.01": 0.8, "fpr_0.001": 0.9}, "window_penalty": 0.5},
        "hate": {"columns": sequence[1:], "kind": "ordinal", "calibration": [{"a": 1, "b": 0}, {"a": 1, "b": -1}, {"a": 2, "b": 0}], "thresholds": {"fpr_0.01": 0.7}, "window_penalty": [0.1, 0.2, 0.3]},
        "payload": {"column": "payload", "kind": "token-sigmoid", "calibration": {"a": 1, "b": 0}, "thresholds": {"default": 0.5}},
        "names": {"columns": tokens[1:], "kind": "bio"},
    }
    guard = {**base, **export_ir.random_heads(base, len(sequence), len(tokens), 4, 2)}
    export_ir.save(export_ir.guard_model(guard, 2), out / "guard")
    export_ir.write_manifest(
        out / "guard", out / "vocab.txt", {"name": "tiny", "version": "1", "sequence": sequence, "tokens": tokens, "heads": heads}, ["sequence"], 128, 126, 96)
    export_ir.save(export_ir.embedding_model(base, 2, max_tokens=128), out / "embedding")
    export_ir.write_manifest(out / "embedding", out / "vocab.txt", {"name": "tiny", "version": "1", "dimensions": 16}, ["embedding"], 128, 126, 96)
    cascade(out / "cascade", reading.tokenizer(out / "vocab.txt"))
    for manifest in out.glob("*/manifest.json"):
        manifest.write_text(json.dumps(json.loads(manifest.read_text()), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
