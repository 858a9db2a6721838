"""Weights between two checkpoints of one line of training: `share` of the later one, the rest of the earlier one.

    soup.py --early FILE.safetensors --late FILE.safetensors --share 0.8 --out FILE.safetensors

What the later steps forgot of tasks that they saw little of comes back, at a small price in what they learned.
"""
import argparse

from safetensors.numpy import load_file, save_file


def mixed(early: dict, late: dict, share: float) -> dict:
    made = {}
    for name, value in late.items():
        if value.dtype.kind != "f" or (name not in early and name != "trunk.letters"):
            made[name] = value
        elif name not in early or early[name].shape != value.shape:  # a restored checkpoint has its letters in the word table: the rows that train start from zero
            made[name] = (share * value).astype(value.dtype)
        else:
            made[name] = (share * value + (1 - share) * early[name]).astype(value.dtype)
    return made


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--early", required=True)
    p.add_argument("--late", required=True)
    p.add_argument("--share", type=float, default=0.8)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    save_file(mixed(load_file(a.early), load_file(a.late), a.share), a.out)


if __name__ == "__main__":
    main()
