"""Golden values of the privacy accountant and of DP-SGD: tests/data/golden/privacy.json.

Run from the root of the repository, with torch, opacus, dp-accounting and mpmath installed.

Oracles: Opacus's RDP analysis and Google's dp-accounting, each with its own default orders; and RDP at single orders by mpmath,
integrating the definition (the expectation of the likelihood ratio to the order) numerically in 50 digits.

DP-SGD: a step of Opacus's DPOptimizer on a ResNet-10 with group norm, whose noise is given. Weights, images and noise come from the
generator that tests/unit/lcg.h repeats (make_networks.py has more of it).
"""
import json
import math
import sys
import warnings

import mpmath
import numpy as np
import torch
from dp_accounting import dp_event
from dp_accounting.rdp import RdpAccountant
from opacus import GradSampleModule
from opacus.accountants.analysis import rdp as opacus_rdp
from opacus.optimizers import DPOptimizer, optimizer as opacus_optimizer
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
mpmath.mp.dps = 50
OPACUS_ORDERS = [1 + x / 10 for x in range(1, 100)] + list(range(12, 64))


def opacus(q, z, steps, delta):
    rdp = opacus_rdp.compute_rdp(q=q, noise_multiplier=z, steps=steps, orders=OPACUS_ORDERS)
    return opacus_rdp.get_privacy_spent(orders=OPACUS_ORDERS, rdp=rdp, delta=delta)[0]


def google(q, z, steps, delta):
    event = dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(z)) if q < 1 else dp_event.GaussianDpEvent(z)
    return RdpAccountant().compose(event, steps).get_epsilon(delta)


def rdp(order, q, z):
    q, z, a = mpmath.mpf(q), mpmath.mpf(z), mpmath.mpf(order)
    f = lambda x: mpmath.npdf(x, 0, z) * ((1 - q) + q * mpmath.exp((2 * x - 1) / (2 * z * z))) ** a
    peak = a + 0 * z
    points = sorted({-mpmath.mpf(30) * z, mpmath.mpf(0), mpmath.mpf(1), peak, peak + 10 * z, peak + 40 * z})
    return float(mpmath.log(mpmath.quad(f, points)) / (a - 1))


# ---- DP-SGD --------------------------------------------------------------------------------------------------------------------


def lcg(name, count):
    state = 2166136261
    for byte in name.encode():
        state = ((state ^ byte) * 16777619) & 0xFFFFFFFF
    out = np.empty(count)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = (state >> 8) / 16777216.0 - 0.5
    return out


class Block(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(c, k, 3, stride, 1, bias=False), nn.GroupNorm(4, k)
        self.conv2, self.bn2 = nn.Conv3d(k, k, 3, 1, 1, bias=False), nn.GroupNorm(4, k)
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(nn.Conv3d(c, k, 1, stride, bias=False), nn.GroupNorm(4, k))

    def forward(self, x):
        skip = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + skip)


class ResNet10(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(1, 4, 3, 1, 1, bias=False), nn.GroupNorm(4, 4)
        for s, (c, k) in enumerate(((4, 4), (4, 8), (8, 16), (16, 32))):
            setattr(self, f"layer{s + 1}", nn.Sequential(Block(c, k, 2 if s else 1)))
        self.fc = nn.Linear(32, 2)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for s in range(4):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3, 4)))


def dp_sgd(count=12, size=8, noise=1.5):
    net = ResNet10()
    with torch.no_grad():
        for name, p in net.named_parameters():
            u = lcg(name, p.numel()).reshape(p.shape)
            if p.dim() > 1:
                u = u * (2 * math.sqrt(6.0 / np.prod(p.shape[1:])))
            else:
                u = 0.2 * u + (1 if name.endswith(".weight") else 0)
            p.copy_(torch.from_numpy(u.astype(np.float32)))
    net = GradSampleModule(net.double(), loss_reduction="sum")
    x = torch.from_numpy(np.stack([lcg(f"case {i}", size**3) for i in range(count)])).view(count, 1, size, size, size)
    losses = F.cross_entropy(net(x), torch.arange(count) % 2, reduction="none")
    losses.sum().backward()
    names = {p: name.removeprefix("_module.") for name, p in net.named_parameters()}
    norms = torch.sqrt(sum(p.grad_sample.flatten(1).square().sum(1) for p in names)).tolist()
    clip = float(np.median(norms))  # so that it cuts half of them
    optimizer = DPOptimizer(torch.optim.SGD(net.parameters(), 1.0), noise_multiplier=noise, max_grad_norm=clip,
                            expected_batch_size=count)  # fmt: skip

    # The noise that is given, of variance 1 before it is scaled.
    def given(std, reference, **_):
        name = next(name for p, name in names.items() if p.summed_grad is reference)
        return std * math.sqrt(12) * torch.from_numpy(lcg("noise " + name, reference.numel())).view(reference.shape)

    opacus_optimizer._generate_noise = given
    optimizer.pre_step()
    out = []
    for p, name in names.items():
        g = p.grad.numpy().reshape(-1)
        out.append({"name": name, "norm": float(np.linalg.norm(g)), "projection": float(g @ lcg("project " + name, g.size)),
                    "values": g[:8].tolist()})
    return {"cases": count, "noise": noise, "clip": clip, "loss": losses.mean().item(), "norms": norms, "gradient": out}


# ---- the accountant --------------------------------------------------------------------------------------------------------------

cases = [(1, 1, 1, 1e-5), (1, 4, 60, 1e-5), (1, 20, 100, 1e-6), (1, 0.5, 3, 1e-5), (0.01, 1.1, 10000, 1e-5), (0.01, 4, 10000, 1e-5),
         (0.001, 0.7, 5000, 1e-6), (256 / 60000, 1.1, 14062, 1e-5), (0.1, 2, 100, 1e-5), (0.5, 1, 10, 1e-3), (0.5, 8, 200, 1e-5),
         (0.2, 0.6, 50, 1e-4), (0.05, 10, 100, 1e-5), (0.3, 50, 10, 1e-5), (0.9, 3, 30, 1e-5), (0.02, 0.9, 1, 1e-7), (0.004, 2, 400, 1e-5)]
out = {"epsilon": [{"q": q, "z": z, "steps": n, "delta": d, "opacus": float(opacus(q, z, n, d)), "dp_accounting": float(google(q, z, n, d))}
                   for q, z, n, d in cases],
       "rdp": [{"order": a, "q": q, "z": z, "rdp": rdp(a, q, z)}
               for q, z in ((0.01, 1.1), (0.2, 0.8), (0.5, 2), (0.004, 4), (0.9, 1)) for a in (1.1, 1.5, 2, 2.7, 5, 7.3, 10.9, 32)],
       "dp_sgd": dp_sgd()}
for c in out["epsilon"]:
    print(c, file=sys.stderr)
json.dump(out, open("tests/data/golden/privacy.json", "w"), indent=1)
