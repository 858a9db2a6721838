"""Trains the shared encoder with all heads.

    train.py --data FOLDER --out CHECKPOINTS --epochs 3 [--workers 2] [--leave-out SOURCE,…] [--include-flagged] [--tasks prompt,harm,…]

One thread per worker; workers see disjoint batches and average their parameters every `--average` steps (local SGD: cheaper than exchanging every gradient on a
machine whose cores are shared). Killed, it goes on from the last checkpoint when started again with the same arguments.
"""
import argparse
import json
import os
import pathlib
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import data
import tokens
from columns import BIO, COLUMN, SEQUENCE_COLUMNS
from model import Guard, load_base


TOKEN_WEIGHT = {"payload": 0.6, "bio": 1.0, "unsupported": 0.4}
TRUNK_RATE, HEAD_RATE = 1.2e-4, 1e-3


def batches(examples, budget, rng):
    """Batches of similar lengths, at most `budget` padded tokens each, in random order."""
    order = list(range(len(examples)))
    rng.shuffle(order)
    made = []
    chunk = 4096
    for at in range(0, len(order), chunk):
        part = sorted(order[at : at + chunk], key=lambda i: len(examples[i].ids))
        batch, longest = [], 0
        for i in part:
            longest = max(longest, -(-len(examples[i].ids) // 8) * 8)
            if batch and longest * (len(batch) + 1) > budget:
                made.append(batch)
                batch, longest = [], -(-len(examples[i].ids) // 8) * 8
            batch.append(i)
        if batch:
            made.append(batch)
    rng.shuffle(made)
    return made


def collate(rows):
    length = -(-max(len(r.ids) for r in rows) // 8) * 8
    b = len(rows)
    ids = np.zeros((b, length), np.int64)
    mask, types, case = (np.zeros((b, length), np.int64) for _ in range(3))
    target, weight = np.zeros((b, len(SEQUENCE_COLUMNS)), np.float32), np.zeros((b, len(SEQUENCE_COLUMNS)), np.float32)
    labels = {k: np.full((b, length), -100, np.int64) for k in ("payload", "bio", "unsupported")}
    row_weight = np.zeros(b, np.float32)
    for i, r in enumerate(rows):
        n = len(r.ids)
        ids[i, :n], types[i, :n], case[i, :n], mask[i, :n] = r.ids, r.types, r.case, 1
        row_weight[i] = r.weight
        for column, (value, w) in r.targets.items():
            target[i, COLUMN[column]], weight[i, COLUMN[column]] = value, w * r.weight
        for kind in labels:
            own = getattr(r, kind)
            if own is not None:
                labels[kind][i, :n] = own
    return tuple(torch.from_numpy(x) for x in (ids, mask, types, case, target, weight, row_weight)) + ({k: torch.from_numpy(v) for k, v in labels.items()},)


def losses(sequence, token, target, weight, row_weight, labels):
    b = sequence.shape[0]
    each = F.binary_cross_entropy_with_logits(sequence, target, reduction="none") * weight
    parts = {"sequence": each.sum() / b}
    for kind, columns in (("payload", slice(0, 1)), ("unsupported", slice(1 + len(BIO), None))):
        own = labels[kind]
        known = (own >= 0).float()
        if known.any():
            raw = F.binary_cross_entropy_with_logits(token[:, :, columns].squeeze(-1), own.clamp(min=0).float(), reduction="none") * known
            parts[kind] = TOKEN_WEIGHT[kind] * (raw.sum(1) / known.sum(1).clamp(min=1) * row_weight).sum() / b
    own = labels["bio"]
    if (own >= 0).any():
        raw = F.cross_entropy(token[:, :, 1 : 1 + len(BIO)].reshape(-1, len(BIO)), own.reshape(-1), ignore_index=-100, reduction="none").view_as(own)
        weights = torch.where(own > 0, 2.0, 1.0) * (own >= 0)
        parts["bio"] = TOKEN_WEIGHT["bio"] * ((raw * weights).sum(1) / weights.sum(1).clamp(min=1) * row_weight).sum() * 2.0 / b
    return parts


def rate(step, warm, decay):
    """Warm-up, then constant, then straight down to zero over `decay` = (first step, number of steps)."""
    factor = min(1.0, (step + 1) / warm)
    return factor if decay is None or step < decay[0] else max(0.0, factor * (1 - (step - decay[0]) / decay[1]))


def worker(rank, args):
    data.HOLD_OUT_SHARE = args.hold_out
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.workers > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{args.out}/rendezvous-{os.getppid()}", rank=rank, world_size=args.workers)
    encoder = tokens.Encoder()
    base = load_file(os.path.join(tokens.base_folder(), "model.safetensors"))
    model = Guard(base["embeddings.word_embeddings.weight"].shape[0])
    load_base(model.trunk, base)
    model.trunk.tune_letters(open(os.path.join(tokens.base_folder(), "vocab.txt"), encoding="utf-8").read().split("\n"))
    if args.start:
        model.load_state_dict(load_file(args.start), strict=False)  # a restored checkpoint has the letters in its table
    model.trunk.words.weight.requires_grad_(False)
    head, body = list(model.heads.parameters()) + [model.trunk.case.weight], []
    known = {id(p) for p in head}
    body = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    optimiser = torch.optim.AdamW([{"params": body, "base": args.rate}, {"params": head, "base": HEAD_RATE}], lr=0.0, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    trained = body + head
    average = [p.detach().clone() for p in trained]
    options = data.Options(pathlib.Path(args.data), args.include_flagged, set(filter(None, args.leave_out.split(","))), set(args.tasks.split(",")), args.seed, args.small)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    state = out / f"state-{rank}.pt"
    epoch, at, step = 0, 0, 0
    if state.exists() and args.resume:
        saved = torch.load(state, weights_only=False)
        model.load_state_dict(saved["model"], strict=False)
        optimiser.load_state_dict(saved["optimiser"])
        average, epoch, at, step = saved["average"], saved["epoch"], saved["at"], saved["step"]
        if args.next_epoch:  # other sources than before
            epoch, at = epoch + 1, 0
    total, decay = None, None
    stop, control = None, out / "control.json"
    log = open(out / f"log-{rank}.txt", "a", encoding="utf-8")
    begun, seen, sums = time.time(), 0, {}

    def save():
        if rank == 0:
            own = {n: t.detach().clone() for n, t in model.state_dict().items()}
            names = {id(p): n for n, p in model.named_parameters()}
            for p, a in zip(trained, average):
                own[names[id(p)]] = a.clone()
            save_file(own, out / "model.safetensors.part")
            os.replace(out / "model.safetensors.part", out / "model.safetensors")
        torch.save({"model": {n: t for n, t in model.state_dict().items() if n != "trunk.words.weight"}, "optimiser": optimiser.state_dict(), "average": average, "epoch": epoch, "at": at, "step": step}, f"{state}.part")
        os.replace(f"{state}.part", state)

    while epoch < args.epochs:
        examples = data.Builder(options, epoch, encoder).build()
        own = batches(examples, args.tokens, random.Random(args.seed * 100 + epoch))
        own = own[: len(own) // args.workers * args.workers][rank :: args.workers]
        if total is None:
            total = max(1, int(len(own) * args.epochs))
            decay = [int(total * (1 - args.decay)), total - int(total * (1 - args.decay))] if args.decay else None
            if rank == 0:
                print(f"{len(examples)} examples, {sum(len(e.ids) for e in examples)} tokens, {len(own)} steps an epoch and worker", flush=True)
        while at < len(own) and (decay is None or step < sum(decay)):
            if step % 16 == 0 and control.exists():  # how long a shared machine takes is known only while it trains: the end may be set from outside
                wish = json.loads(control.read_text())
                decay, stop = wish.get("decay", decay), wish.get("stop")
                total = sum(decay) if decay else stop
                if decay and step >= total:
                    break
            for group in optimiser.param_groups:
                group["lr"] = group["base"] * rate(step, args.warm, decay)
            *tensors, labels = collate([examples[i] for i in own[at]])
            ids, mask, types, case, target, weight, row_weight = tensors
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                sequence, token = model(ids, mask, types, case)
            parts = losses(sequence.float(), token.float(), target, weight, row_weight, labels)
            sum(parts.values()).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            at, step, seen = at + 1, step + 1, seen + int(mask.sum())
            if args.workers > 1 and step % args.average == 0:
                flat = torch.cat([p.detach().view(-1) for p in trained])
                torch.distributed.all_reduce(flat)
                flat /= args.workers
                start = 0
                for p in trained:
                    p.data.copy_(flat[start : start + p.numel()].view_as(p))
                    start += p.numel()
            if step % 10 == 0:  # an average over the last few hundred steps generalises better than the last step
                keep = min(0.97, (step / 10) / (step / 10 + 10))
                torch._foreach_mul_(average, keep)
                torch._foreach_add_(average, [p.detach() for p in trained], alpha=1 - keep)
            for k, v in parts.items():
                sums[k] = sums.get(k, 0.0) + float(v.detach())
            if step % 50 == 0:
                spent = time.time() - begun
                line = f"{time.strftime('%H:%M:%S')} epoch {epoch} step {step}/{total} {seen / spent:.0f} tok/s " + " ".join(f"{k} {v / 50:.3f}" for k, v in sums.items())
                sums = {}
                log.write(line + "\n")
                log.flush()
                if rank == 0:
                    print(line, flush=True)
            if step % args.save_every == 0:  # the same step in every worker
                save()
            if step == stop:
                break
        if (decay is not None and step >= sum(decay)) or (stop is not None and step >= stop):
            break
        epoch, at = epoch + 1, 0
    save()
    if rank == 0:
        (out / "training.json").write_text(json.dumps({**vars(args), "steps": step, "tokens_seen_by_worker_0": seen, "seconds": round(time.time() - begun)}, indent=1))
        print("done", step, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--epochs", type=float, default=3)
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--tokens", type=int, default=2048)
    p.add_argument("--warm", type=int, default=100)
    p.add_argument("--decay", type=float, default=0.3, help="share of the steps over which the rate falls to zero; 0: DIR/control.json {\"decay\": [first step, steps]} or {\"stop\": step} says so later")
    p.add_argument("--average", type=int, default=16)
    p.add_argument("--rate", type=float, default=TRUNK_RATE)
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=torch.ops.mkldnn._is_mkldnn_bf16_supported(), help="multiply in bf16 (default: where the processor can)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--small", type=float, default=1.0)
    p.add_argument("--tasks", default="prompt,pieces,document,harm,names,groundedness,task")
    p.add_argument("--leave-out", default="")
    p.add_argument("--include-flagged", action="store_true")
    p.add_argument("--start", default="")
    p.add_argument("--hold-out", type=int, default=data.HOLD_OUT_SHARE, help="per cent of the authored groups")
    p.add_argument("--resume", action="store_true")
    p.add_argument("--next-epoch", action="store_true", help="with --resume: leave the unfinished epoch")
    p.add_argument("--save-every", type=int, default=160, help="steps")
    args = p.parse_args()
    pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
    if args.workers == 1:
        worker(0, args)
    else:
        torch.multiprocessing.start_processes(worker, (args,), args.workers, start_method="spawn")


if __name__ == "__main__":
    main()
