"""Golden values of the optimisers: tests/data/golden/optimizers.json.

Each of torch.optim's for eight steps on given gradients, with gradient clipping, the learning rate going down. Inputs are made by the same
formula here and in tests/unit/nn/check_optimizers.c.
"""
import json
import sys

import torch

COUNT, STEPS = 37, 8


def noise(n, first):
    return torch.tensor([((first + i) * 2654435761 % 2**32) / 2.0**32 - 0.5 for i in range(n)], dtype=torch.float64).float()


def run(make, clip):
    w = torch.nn.Parameter(noise(COUNT, 1))
    optimizer = make([w])
    for step in range(STEPS):
        w.grad = noise(COUNT, 1000 * (step + 1))
        if clip:
            torch.nn.utils.clip_grad_norm_([w], clip)
        for group in optimizer.param_groups:
            group["lr"] = 0.05 / (step + 1)
        optimizer.step()
    return [float(v) for v in w.detach()]


def main():
    cases = [
        ("sgd", 0.9, 0.03, 1.0, lambda p: torch.optim.SGD(p, 1, momentum=0.9, nesterov=True, weight_decay=0.03)),
        ("sgd", 0.0, 0.0, 0.0, lambda p: torch.optim.SGD(p, 1)),
        ("adamw", 0.0, 0.1, 1.0, lambda p: torch.optim.AdamW(p, 1, weight_decay=0.1)),
        ("adam", 0.0, 0.1, 1.0, lambda p: torch.optim.Adam(p, 1, weight_decay=0.1)),
        ("adam", 0.0, 0.0, 0.0, lambda p: torch.optim.Adam(p, 1)),
    ]
    out = [{"name": n, "momentum": m, "weight_decay": d, "clip": c, "weights": run(make, c)} for n, m, d, c, make in cases]
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/data/golden/optimizers.json", "w") as f:
        f.write(json.dumps(out).replace("}, {", "},\n{") + "\n")


main()
