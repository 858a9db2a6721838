"""Trains the branch: a second last layer with heads of its own for prompts and harm (`model.Branch`), on states of the frozen trunk that are computed once.

    branch.py --data FOLDER --models MODELS --cache FOLDER --out FILE.safetensors [--views 2] [--steps 3000] [--share 1] [--leave-out SOURCE,…]

Below its last layer the trunk of MODELS/guard is run over each view (what `data.Builder` makes of the rows in one epoch, augmented anew in each); its states are kept in half precision in --cache, where a second run finds them.
Training then costs one layer of six. The branch starts as a copy of the trunk's last layer and heads, or of the branch that MODELS/guard has already; --share mixes what it learned with where it began (as soup.py does).
FILE is the whole guard as a checkpoint for export.py: everything but the branch is as it was in MODELS/guard, so the columns that it does not answer stay what they are.
"""
import argparse
import fnmatch
import json
import pathlib
import pickle
import random
import signal
import time

import numpy as np
import openvino as ov
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import data
import export
import restore
import tokens
from columns import BRANCH_GROUPS, COLUMN, SEQUENCE_COLUMNS, SEQUENCE_GROUPS
from model import WIDTH, Branch
from scoring import INPUTS
from train import batches

TASKS = {"prompt", "document", "harm", "names"}
SHARE = {"document": 0.15, "names": 0.2}  # of what an epoch holds of them: they teach zeros here


def below(checkpoint: dict):
    """The trunk up to its last layer but one, compiled."""
    encoder = export.export_ir.Encoder(export.bert_names({k: v for k, v in checkpoint.items() if not k.startswith("branch.")}), export.HEADS, "int8", export.EPSILON, export.MAX_TOKENS)
    inputs = [export.export_ir.parameter(n) for n in INPUTS]
    (*_, states, _), _ = encoder.states(*inputs)
    graph = ov.Model([export.export_ir.result(states, "states")], inputs, "below")
    return ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})


class States:
    """Rows (ids, types, case) and what the trunk says of them, in half precision in one file."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.starts, self.notes = pickle.loads(path.with_suffix(".pickle").read_bytes())
        self.values = np.memmap(path, np.float16, "r").reshape(-1, WIDTH)  # of an interrupted run the rest is empty

    def __len__(self):
        return len(self.notes)

    def __getitem__(self, i):
        return self.values[self.starts[i] : self.starts[i + 1]]

    @staticmethod
    def write(path: pathlib.Path, network, rows: list, notes: list):
        """`notes[i]` is kept beside row i. Interrupted (SIGINT), it keeps what it has read: a sample, since rows come in random order."""
        mixed = random.Random(1).sample(range(len(rows)), len(rows))
        rows, notes = [rows[i] for i in mixed], [notes[i] for i in mixed]
        path.parent.mkdir(parents=True, exist_ok=True)
        starts = np.concatenate([[0], np.cumsum([len(r[0]) for r in rows])])
        values = np.memmap(path.with_suffix(".part"), np.float16, "w+", shape=(int(starts[-1]), WIDTH))
        order = [i for start in range(0, len(rows), 512) for i in sorted(range(start, min(start + 512, len(rows))), key=lambda i: len(rows[i][0]))]
        at, said, read = 0, time.monotonic(), 0
        stopped = []
        signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
        while at < len(order) and not (stopped and at >= 512 and order[at] >= 512 and order[at] // 512 != order[at - 1] // 512):
            length = export.export_ir.reading.padded_length(len(rows[order[at]][0]))
            part = [i for i in order[at : at + max(1, 2048 // length)] if len(rows[i][0]) <= length and i // 512 == order[at] // 512]
            at += len(part)
            arrays = {n: np.zeros((len(part), length), np.int32) for n in INPUTS}
            for k, i in enumerate(part):
                ids, types, case = rows[i]
                n = len(ids)
                arrays["input_ids"][k, :n], arrays["token_type_ids"][k, :n], arrays["case_ids"][k, :n], arrays["attention_mask"][k, :n] = ids, types, case, 1
            answer = network(arrays)["states"]
            for k, i in enumerate(part):
                values[starts[i] : starts[i + 1]] = answer[k, : len(rows[i][0])]
                read += len(rows[i][0])
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{time.strftime('%H:%M:%S')} {path.stem}: {read} of {starts[-1]} tokens", flush=True)
        values.flush()
        path.with_suffix(".pickle").write_bytes(pickle.dumps((starts[: at + 1], notes[:at])))
        path.with_suffix(".part").rename(path)


def view(number: int, a, network, encoder) -> States:
    path = a.cache / f"view-{number}.states"
    if not path.exists():
        made = data.Builder(data.Options(a.data, False, set(filter(None, a.leave_out.split(","))), TASKS, a.seed, a.small), number, encoder).build()
        rng = random.Random(number)
        made = [e for e in made if rng.random() < a.keep * SHARE.get(e.task, 1.0) and (not a.only or any(fnmatch.fnmatch(e.source, pattern) for pattern in a.only))]
        print(f"view {number}: {len(made)} examples, {sum(len(e.ids) for e in made)} tokens", flush=True)
        States.write(path, network, [(e.ids, e.types, e.case) for e in made], [(e.targets, e.weight, e.source, e.task) for e in made])
    return States(path)


def start(checkpoint: dict) -> Branch:
    """A branch as its own checkpoint has it, else a copy of the trunk's last layer and heads."""
    branch = Branch()
    if "branch.layer.qkv.weight" in checkpoint:
        own = {k.removeprefix("branch."): v for k, v in checkpoint.items() if k.startswith("branch.")}
    else:
        last = "trunk.layers.5."
        own = {"layer." + k.removeprefix(last): v for k, v in checkpoint.items() if k.startswith(last)}
        names = [name for name, _ in SEQUENCE_GROUPS]
        picked = [names.index(name) for name, _ in BRANCH_GROUPS]
        own |= {"heads.query.weight": checkpoint["heads.query.weight"][picked], "heads.hidden": checkpoint["heads.hidden"][picked], "heads.hidden_bias": checkpoint["heads.hidden_bias"][picked]}
        for index, old in enumerate(picked):
            own |= {f"heads.out.{index}.{kind}": checkpoint[f"heads.out.{old}.{kind}"] for kind in ("weight", "bias")}
    branch.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in own.items()})
    return branch


def collate(rows: list):
    """`rows` are (states, note): states, mask, targets and their weights."""
    length = -(-max(len(s) for s, _ in rows) // 8) * 8
    states, mask = np.zeros((len(rows), length, WIDTH), np.float32), np.zeros((len(rows), length), np.float32)
    target, weight = np.zeros((len(rows), len(SEQUENCE_COLUMNS)), np.float32), np.zeros((len(rows), len(SEQUENCE_COLUMNS)), np.float32)
    for i, (own, (targets, row_weight, *_)) in enumerate(rows):
        states[i, : len(own)], mask[i, : len(own)] = own, 1
        for column, (value, w) in targets.items():
            target[i, COLUMN[column]], weight[i, COLUMN[column]] = value, w * row_weight
    return tuple(torch.from_numpy(x) for x in (states, mask, target[:, Branch.columns], weight[:, Branch.columns]))


class Sized:
    """What `train.batches` needs to know of a row: how long it is."""

    def __init__(self, length):
        self.ids = range(length)


def train(branch: Branch, views: list, a):
    heads, layer = list(branch.heads.parameters()), list(branch.layer.parameters())
    optimiser = torch.optim.AdamW([{"params": layer, "base": a.rate}, {"params": heads, "base": 4 * a.rate}], weight_decay=0.01, betas=(0.9, 0.98))
    rng = random.Random(a.seed)
    rows = [(v, i) for v in views for i in range(len(v))]
    sizes = [Sized(int(v.starts[i + 1] - v.starts[i])) for v, i in rows]
    branch.train()
    step, begun, total, seen = 0, time.time(), 0.0, 0
    while step < a.steps:
        for batch in batches(sizes, a.tokens, rng):
            factor = min(1.0, (step + 1) / 100) * (1 - step / a.steps)
            for group in optimiser.param_groups:
                group["lr"] = group["base"] * factor
            states, mask, target, weight = collate([(rows[i][0][rows[i][1]], rows[i][0].notes[rows[i][1]]) for i in batch])
            loss = (F.binary_cross_entropy_with_logits(branch(states, mask, a.dropout), target, reduction="none") * weight).sum() / len(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(heads + layer, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            step, total, seen = step + 1, total + float(loss.detach()), seen + int(mask.sum())
            if step % 50 == 0:
                print(f"{time.strftime('%H:%M:%S')} step {step}/{a.steps} {seen / (time.time() - begun):.0f} tok/s loss {total / 50:.4f}", flush=True)
                total = 0.0
            if step >= a.steps:
                break
    branch.eval()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--cache", required=True, type=pathlib.Path)
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--views", default="0,1", help="numbers of the epochs whose examples train; those in --cache are used as they are")
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--tokens", type=int, default=2048)
    p.add_argument("--rate", type=float, default=1e-4, help="of the layer; the heads take four times as much")
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--share", type=float, default=1.0, help="of what was learned; the rest is where it began")
    p.add_argument("--small", type=float, default=0.6)
    p.add_argument("--keep", type=float, default=1.0, help="share of an epoch's examples that a new view keeps")
    p.add_argument("--only", default="", type=lambda s: set(filter(None, s.split(","))), help="patterns of the sources that a new view keeps, as examples name them (authored:BATCH)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--leave-out", default="")
    p.add_argument("--hold-out", type=int, default=data.SHIPPED_HOLD_OUT_SHARE, help="per cent of the authored groups")
    a = p.parse_args()
    data.HOLD_OUT_SHARE = a.hold_out
    torch.manual_seed(a.seed)
    checkpoint = restore.checkpoint(restore.constants(a.models / "guard"))
    network, encoder = below(checkpoint), tokens.Encoder(str(a.models / "vocab.txt"))
    views = [view(int(number), a, network, encoder) for number in a.views.split(",")]
    branch = start(checkpoint)
    before = {k: v.clone() for k, v in branch.state_dict().items()}
    if a.steps:
        train(branch, views, a)
    made = {k: (a.share * v + (1 - a.share) * before[k]).numpy() for k, v in branch.state_dict().items()}
    a.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({**checkpoint, **{"branch." + k: np.ascontiguousarray(v) for k, v in made.items()}}, a.out)
    a.out.with_suffix(".json").write_text(json.dumps({k: str(v) for k, v in vars(a).items()}, indent=1))


if __name__ == "__main__":
    main()
