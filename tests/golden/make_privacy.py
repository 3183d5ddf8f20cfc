"""Golden values of the privacy accountant: tests/data/golden/privacy.json.

Oracles: Opacus's RDP analysis and Google's dp-accounting, each with its own default orders; and RDP at single orders by mpmath,
integrating the definition (the expectation of the likelihood ratio to the order) numerically in 50 digits.
"""
import json
import math
import sys
import warnings

import mpmath
from dp_accounting import dp_event
from dp_accounting.rdp import RdpAccountant
from opacus.accountants.analysis import rdp as opacus_rdp

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


cases = [(1, 1, 1, 1e-5), (1, 4, 60, 1e-5), (1, 20, 100, 1e-6), (1, 0.5, 3, 1e-5), (0.01, 1.1, 10000, 1e-5), (0.01, 4, 10000, 1e-5),
         (0.001, 0.7, 5000, 1e-6), (256 / 60000, 1.1, 14062, 1e-5), (0.1, 2, 100, 1e-5), (0.5, 1, 10, 1e-3), (0.5, 8, 200, 1e-5),
         (0.2, 0.6, 50, 1e-4), (0.05, 10, 100, 1e-5), (0.3, 50, 10, 1e-5), (0.9, 3, 30, 1e-5), (0.02, 0.9, 1, 1e-7), (0.004, 2, 400, 1e-5)]
out = {"epsilon": [{"q": q, "z": z, "steps": n, "delta": d, "opacus": float(opacus(q, z, n, d)), "dp_accounting": float(google(q, z, n, d))}
                   for q, z, n, d in cases],
       "rdp": [{"order": a, "q": q, "z": z, "rdp": rdp(a, q, z)}
               for q, z in ((0.01, 1.1), (0.2, 0.8), (0.5, 2), (0.004, 4), (0.9, 1)) for a in (1.1, 1.5, 2, 2.7, 5, 7.3, 10.9, 32)]}
for c in out["epsilon"]:
    print(c, file=sys.stderr)
json.dump(out, open("tests/data/golden/privacy.json", "w"), indent=1)
