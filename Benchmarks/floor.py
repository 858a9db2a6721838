#!/usr/bin/env python3
"""One pass of the encoder with all heads beside what its multiplications alone would take: floor = floating-point operations of the model ÷ the rate at which the
same library multiplies matrices of the encoder's own shapes in the same precision, on one thread, in the same run.

Usage: floor.py [--models Models] [--seconds N]. Needs the training environment (training/environment.sh requirements-eval.txt). Times are CPU time of this process."""

import argparse
import json
import pathlib
import time

import numpy as np
import openvino as ov
from openvino import opset13 as op

ROOT = pathlib.Path(__file__).resolve().parents[1]
LAYERS, WIDTH, INNER = 6, 384, 1536
OPTIONS = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}


def seconds_of(run, seconds):
    """Median CPU time of a call, and how many were made."""
    for _ in range(5):
        run()
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end or len(times) < 20:
        began = time.process_time_ns()
        run()
        times.append(time.process_time_ns() - began)
    return float(np.median(times)) / 1e9, len(times)


def request(core, model, precision):
    compiled = core.compile_model(model, "CPU", {**OPTIONS, "INFERENCE_PRECISION_HINT": precision})
    return compiled, compiled.create_infer_request()


def product(rows, inner, columns):
    """A chain of products rows × inner × columns and back with constant weights, so that memory traffic at the borders counts little."""
    generator = np.random.default_rng(1)
    x = op.parameter([rows, inner], np.float32)
    y = x
    for _ in range(4):
        y = op.matmul(y, op.constant((generator.random((inner, columns), np.float32) - 0.5) / inner), False, False)
        y = op.matmul(y, op.constant((generator.random((columns, inner), np.float32) - 0.5) / columns), False, False)
    return ov.Model([y], [x]), 8 * 2 * rows * inner * columns


def operations(length):
    """Of one row: projections, feed-forward layers, attention."""
    return LAYERS * (8 * length * WIDTH * WIDTH + 4 * length * WIDTH * INNER + 4 * length * length * WIDTH)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "Models")
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    core = ov.Core()
    precisions = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precision = "bf16" if "BF16" in precisions else "f32"
    print(f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}; {precision}; {json.loads((options.models / 'guard/manifest.json').read_text())['version']}\n")
    print("| tokens | multiplications, GFLOP | products alone, GFLOP/s | floor, ms | pass with all heads, ms | times the floor | calls |\n| --- | --- | --- | --- | --- | --- | --- |")
    guard, run = request(core, options.models / "guard/model.xml", precision)
    for length in (16, 32, 64, 128):
        model, count = product(length, WIDTH, INNER)
        _, own = request(core, model, precision)
        own.set_input_tensor(ov.Tensor(np.random.default_rng(2).random((length, WIDTH), np.float32)))
        taken, _ = seconds_of(own.infer, options.seconds)
        rate = count / taken
        arrays = {name: np.ones((1, length), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids", "case_ids")}
        arrays["input_ids"][:] = np.random.default_rng(3).integers(1000, 20000, (1, length))
        own_time, calls = seconds_of(lambda: run.infer(arrays), options.seconds)
        floor = operations(length) / rate
        print(f"| {length} | {operations(length) / 1e9:.2f} | {rate / 1e9:.0f} | {floor * 1e3:.2f} | {own_time * 1e3:.2f} | {own_time / floor:.2f} | {calls} |", flush=True)


if __name__ == "__main__":
    main()
