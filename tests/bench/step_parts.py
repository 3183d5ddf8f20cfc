"""Where the time of a training step goes, from the tables of `nephron bench scaling`; prints a table of docs/speed.md.

    nephron bench scaling --threads-list 2 --precision fp32 --csv fp32.csv
    nephron bench scaling --threads-list 2 --precision bf16 --csv bf16.csv
    python tests/bench/step_parts.py fp32.csv bf16.csv

The U-Net's ops by kind and pass; milliseconds measured with that many threads, each the shortest of a few repeats.
"""
import collections
import csv
import os
import re
import sys

PASS = {"forward": "forward", "recompute": "forward, again", "backward": "weights", "backward_data": "input"}


def part(op, which):
    if op == "optimizer":
        return "optimiser"
    if ".norm" in op:
        return "norm and activation"
    kind = ("transposed" if "transpconvs" in op else
            "3x3x3, one channel" if re.search(r"encoder\.stages\.0\.0\.convs\.0\.", op) else
            "3x3x3, stride 2" if re.search(r"encoder\.stages\.\d+\.0\.convs\.0\.", op) else
            "3x3x3" if ".conv" in op else "heads" if "seg_layers" in op else None)
    return f"{kind}: {PASS[which]}" if kind else "loss and the rest"


def read(path):
    times = collections.Counter()
    for row in csv.DictReader(open(path)):
        _, _, rest = row["name"].partition("/")
        if rest and row["measured_seconds"]:
            op, _, which = rest.rpartition("/")
            times[part(op or rest, which)] += 1e3 * float(row["measured_seconds"])
    return times


def main():
    tables = {os.path.splitext(os.path.basename(path))[0]: read(path) for path in sys.argv[1:]}
    parts = sorted({p for t in tables.values() for p in t}, key=lambda p: -max(t[p] for t in tables.values()))
    print("| part | " + " | ".join(f"{name}, ms | share" for name in tables) + " |")
    print("| --- |" + " --- | --- |" * len(tables))
    for p in parts:
        print(f"| {p} | " + " | ".join(f"{t[p]:.1f} | {100 * t[p] / sum(t.values()):.1f} %" for t in tables.values()) + " |")
    print("| the step | " + " | ".join(f"{sum(t.values()):.1f} | |" for t in tables.values()))


if __name__ == "__main__":
    main()
