"""Golden values of metrics and statistics: tests/data/golden/stats.json.

Oracles: mpmath (special functions), SciPy (Wilcoxon, binomial intervals, t tests, BCa), MONAI, SciPy and SimpleITK (surface distances),
scikit-image (components), scikit-learn (AUC, Brier), statsmodels (Hosmer-Lemeshow), and DeLong's placements pair by pair in NumPy. Masks are made by the same integer
formula here and in tests/unit/nn/check_metrics.c.
"""
import json
import sys

import mpmath
import numpy as np
import SimpleITK as sitk
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage, stats
from scipy.spatial.distance import cdist
from scipy.stats import _resampling
from skimage.measure import label as components
from sklearn.metrics import brier_score_loss, roc_auc_score
from statsmodels.stats.diagnostic_gen import test_chisquare_binning

mpmath.mp.dps = 40
rng = np.random.default_rng(20250101)
num = lambda v: [float(x) for x in np.asarray(v, dtype=float).ravel()]


def special():
    out = {"normal_cdf": [[z, float(mpmath.ncdf(z))] for z in (-37.5, -20, -8.3, -5, -2.51, -2.49, -1, -0.1, -1e-9, 0, 0.3, 1.7, 2.5, 4, 8)]}
    out["normal_quantile"] = [[p, float(mpmath.findroot(lambda z: mpmath.log(mpmath.ncdf(z) / p), stats.norm.ppf(p)))]
                              for p in (1e-30, 1e-12, 1e-5, 0.001, 0.025, 0.07, 0.2, 0.5, 0.51, 0.8, 0.95, 0.975, 0.9999)]
    out["log_gamma"] = [[x, float(mpmath.loggamma(x))] for x in (0.001, 0.5, 1.5, 3.25, 14.999, 15, 40.5, 1000, 123456.5)]
    beta = lambda x, a, b: float(mpmath.betainc(a, b, 0, x, regularized=True))
    out["beta_cdf"] = [[x, a, b, beta(x, a, b)] for x, a, b in
                       [(0.5, 3, 7), (0.01, 0.5, 0.5), (0.99, 0.5, 0.5), (0.3, 20, 40), (0.9, 2, 80), (1e-5, 0.5, 3), (0.5, 200, 180), (0.2, 1, 1)]]
    t = lambda t, df: float(mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, df / (df + mpmath.mpf(t) ** 2), regularized=True) / 2)
    out["t_lower"] = [[-x, df, t(x, df)] for x in (1e-4, 0.2, 0.99, 1.5, 3, 8, 40) for df in (1, 2, 7, 29.5, 400)]
    out["t_quantile"] = [[p, df, float(stats.t.ppf(p, df))] for p in (0.01, 0.3, 0.95, 0.999) for df in (2, 9, 98)]
    return out


def signed_rank(a, b, mode):
    """Every sign of every difference that is not zero, counted in whole numbers: the permutation test with ties and zeros as they are."""
    d = np.asarray(a) - b
    d = d[d != 0] if mode == "wilcox" else d
    twice = np.rint(2 * stats.rankdata(abs(d))).astype(int)[d != 0]
    ways = {0: 1}
    for t in twice:
        more = dict(ways)
        for s, n in ways.items():
            more[s + int(t)] = more.get(s + int(t), 0) + n
        ways = more
    plus = int(np.rint(2 * stats.rankdata(abs(d))).astype(int)[d > 0].sum())
    below, above = (sum(n for s, n in ways.items() if keep(s)) for keep in (lambda s: s <= plus, lambda s: s >= plus))
    return min(1.0, 2 * min(below, above) / 2 ** len(twice)), above / 2 ** len(twice)


def wilcoxon():
    out = []
    for n, ties, zeros, seed in [(5, 0, 0, 1), (12, 0, 0, 2), (50, 0, 0, 3), (51, 0, 0, 4), (20, 1, 0, 5), (30, 1, 1, 6), (99, 0, 1, 7), (200, 1, 1, 8),
                                 (9, 1, 1, 9), (12, 1, 0, 10), (50, 1, 1, 11), (13, 0, 1, 12)]:
        r = np.random.default_rng(seed)
        a, b = r.normal(0.2, 1, n), r.normal(0, 1, n)
        if ties:
            a, b = np.round(a * 4) / 4, np.round(b * 4) / 4
        if zeros:
            b[:: max(n // 6, 2)] = a[:: max(n // 6, 2)]
        elif ties:
            b[a == b] += 0.25
        for mode in ("wilcox", "pratt"):
            used = n if mode == "pratt" else int((a != b).sum())
            exact = used <= 50
            s = stats.wilcoxon(a, b, zero_method=mode, correction=not exact, method="exact" if exact and not ties and not zeros else "asymptotic")
            p, greater = signed_rank(a, b, mode) if exact else (s.pvalue, stats.wilcoxon(a, b, zero_method=mode, correction=True, alternative="greater", method="asymptotic").pvalue)
            if exact and not ties and not zeros:
                assert abs(p - s.pvalue) < 1e-12
            if n <= 13:  # SciPy's own permutation test, all 2^n of them
                every = stats.wilcoxon(a, b, zero_method=mode, method=stats.PermutationMethod(n_resamples=np.inf)).pvalue
                assert abs(p - every) < 1e-12, (p, every, n, mode)
            out.append({"a": num(a), "b": num(b), "pratt": int(mode == "pratt"), "exact": int(exact), "statistic": s.statistic, "p": p, "greater": greater})
    return out


def placements(label, score):
    pos, neg = score[label == 1], score[label == 0]
    psi = (pos[:, None] > neg).astype(float) + 0.5 * (pos[:, None] == neg)
    return psi.mean(), psi.mean(1), psi.mean(0)


def delong_cases():
    out = []
    for n, prevalence, digits in [(30, 0.4, 8), (99, 0.73, 8), (80, 0.5, 1), (20, 0.5, 2)]:
        label = (np.arange(n) < round(prevalence * n)).astype(int)
        rng.shuffle(label)
        a = np.round(label * 0.8 + rng.normal(0, 1, n), digits)
        b = np.round(0.6 * a + label * 0.1 + rng.normal(0, 0.7, n), digits)
        (auc_a, va, ua), (auc_b, vb, ub) = placements(label, a), placements(label, b)
        assert abs(auc_a - roc_auc_score(label, a)) < 1e-12
        s = np.cov(va, vb) / len(va) + np.cov(ua, ub) / len(ua)
        se, half = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1]), n // 2
        one, two = placements(label[:half], a[:half]), placements(label[half:], b[half:])
        var = lambda x: np.var(x[1], ddof=1) / len(x[1]) + np.var(x[2], ddof=1) / len(x[2])
        alone = np.sqrt(var(one) + var(two))
        out.append({"label": label.tolist(), "a": num(a), "b": num(b), "auc_a": auc_a, "auc_b": auc_b, "se_a": np.sqrt(s[0, 0]),
                    "se_b": np.sqrt(s[1, 1]), "covariance": s[0, 1], "se": se, "p": 2 * stats.norm.sf(abs(auc_a - auc_b) / se),
                    "unpaired": [one[0], two[0], alone, 2 * stats.norm.sf(abs(one[0] - two[0]) / alone)]})
    return out


def proportions():
    out = []
    for k, n in [(0, 10), (3, 10), (10, 10), (72, 99), (1, 500), (499, 1000), (1, 1)]:
        test = stats.binomtest(k, n)
        ci = [test.proportion_ci(level, method) for level in (0.95, 0.9) for method in ("wilson", "exact")]
        out.append([k, n] + [float(v) for c in ci for v in c])
    mcnemar = [[b, c, stats.binomtest(min(b, c), b + c).pvalue if b + c else 1] for b, c in [(0, 0), (5, 5), (1, 9), (0, 6), (30, 12), (700, 610), (2, 3)]]
    return {"intervals": out, "mcnemar": mcnemar}


def bootstrap():
    x = rng.gamma(1.5, 1, 15)
    resampled = rng.choice(x, (60, 15)).mean(1)
    lo, hi, _ = _resampling._bca_interval((x,), np.mean, -1, 0.05, resampled, None, np)
    return {"x": num(x), "resampled": num(resampled), "level": 0.9, "percentile": num(np.quantile(resampled, [0.05, 0.95])),
            "bca": num([np.quantile(resampled, float(lo)), np.quantile(resampled, float(hi))])}


def paired():
    a = rng.normal(0.8, 0.1, 25)
    b = a + rng.normal(0.01, 0.03, 25)
    d = a - b
    t = [stats.ttest_1samp(d, m, alternative=s).pvalue for m, s in ((-0.02, "greater"), (0.02, "less"))]
    ci = stats.ttest_1samp(d, 0).confidence_interval(0.9)
    both = np.stack([a, b], 1)
    rows, cols, grand = both.mean(1, keepdims=True), both.mean(0), both.mean()
    msr, msc = 2 * ((rows - grand) ** 2).sum() / 24, 25 * ((cols - grand) ** 2).sum()
    mse = ((both - rows - cols + grand) ** 2).sum() / 24
    return {"a": num(a), "b": num(b), "margin": 0.02, "tost": [max(t), ci.low, ci.high],
            "agreement": [d.mean(), d.std(ddof=1), (msr - mse) / (msr + mse + 2 / 25 * (msc - mse))]}


def blob(size, centre, weight, radius, rough):
    z, y, x = np.meshgrid(*[np.arange(s, dtype=np.int64) for s in size], indexing="ij")
    noise = np.arange(np.prod(size), dtype=np.uint64).reshape(size) * 2654435761 % 2**32
    noise = ((noise ^ (noise >> 15)) * 2246822519 % 2**32 >> 8).astype(np.int64) % rough
    return sum(w * (v - c) ** 2 for w, v, c in zip(weight, (z, y, x), centre)) < radius - noise


def boundary(mask):
    cross = ndimage.generate_binary_structure(3, 1)
    return mask & ~ndimage.binary_erosion(mask, cross[1:2] if mask.shape[0] == 1 else cross)  # of one slice the outline


def surfaces():
    out = []
    for size, spacing, one, two in [((12, 20, 24), (3.3, 0.7, 1.25), ((5, 9, 11), (4, 2, 1), 70, 40), ((6, 11, 9), (4, 1, 2), 60, 30)),
                                    ((9, 14, 14), (1.0, 1.0, 1.0), ((2, 3, 3), (1, 1, 1), 20, 15), ((7, 10, 12), (1, 1, 1), 12, 5)),
                                    ((1, 30, 25), (5.0, 0.78, 0.78), ((0, 14, 12), (1, 1, 1), 130, 60), ((0, 16, 13), (1, 2, 1), 110, 90)),
                                    ((20, 16, 18), (1.5, 2.0, 0.4), ((0, 0, 0), (1, 1, 1), 150, 20), ((9, 7, 8), (2, 2, 2), 3, 1))]:
        blobs = (one, two)
        ref, pred = blob(size, *one), blob(size, *two)
        points = [np.argwhere(boundary(m)) * spacing for m in (ref, pred)]
        d = cdist(*points)
        to, back = d.min(1), d.min(0)
        want = [max(to.max(), back.max()), max(np.quantile(to, 0.95), np.quantile(back, 0.95)), np.concatenate([to, back]).mean()]
        flat = size[0] == 1  # MONAI's 2D
        onehot = [torch.from_numpy(m[0] if flat else m)[None, None].float() for m in (pred, ref)]
        kw = {"include_background": True, "spacing": spacing[1:] if flat else spacing}
        ours = [compute_hausdorff_distance(*onehot, **kw), compute_hausdorff_distance(*onehot, percentile=95, **kw),
                compute_average_surface_distance(*onehot, symmetric=True, **kw)]
        assert np.allclose(want, [float(v) for v in ours], rtol=1e-5), (want, ours)
        images = [sitk.GetImageFromArray(boundary(m).astype(np.uint8)) for m in (ref, pred)]
        for image in images:
            image.SetSpacing([float(s) for s in spacing[::-1]])
        f = sitk.HausdorffDistanceImageFilter()
        f.Execute(*images)
        assert abs(f.GetHausdorffDistance() - want[0]) < 1e-4, (want, f.GetHausdorffDistance())
        nsd = []
        for tolerance in (0, 1, 2.5):
            nsd.append(((to <= tolerance).sum() + (back <= tolerance).sum()) / (len(to) + len(back)))
            theirs = compute_surface_dice(*onehot, [tolerance], use_subvoxels=False, **kw)
            assert abs(nsd[-1] - float(theirs)) < 1e-5
        bands, iou = [[m & (ndimage.distance_transform_edt(~boundary(m), sampling=spacing) < w) for m in (ref, pred)] for w in (1, 2.5, 6)], []
        for a, b in bands:
            iou.append((a & b).sum() / (a | b).sum())
        tp = int((ref & pred).sum())
        out.append({"size": size, "spacing": spacing, "blobs": [[*c, *w, r, k] for c, w, r, k in blobs], "distances": want, "nsd": nsd, "boundary_iou": num(iou),
                    "overlap": [tp, int(pred.sum()) - tp, int(ref.sum()) - tp, 2 * tp / int(ref.sum() + pred.sum())]})
    return out


def component_cases():
    out = []
    for size, rough, radius in [((7, 9, 11), 100, 11), ((12, 13, 10), 50, 4), ((15, 16, 17), 100, 5)]:
        mask = blob(size, (0, 0, 0), (0, 0, 0), radius, rough)
        ids, n = components(mask, connectivity=3, return_num=True)
        out.append({"size": size, "rough": rough, "radius": radius, "n": int(n), "sum": int((ids.ravel() * (np.arange(ids.size) % 1009)).sum())})
    return out


def classification():
    n = 60
    label = (rng.random(n) < 0.6).astype(int)
    p = np.clip(np.round(rng.beta(2, 2, n) * 0.7 + 0.3 * label, 2), 0, 1)
    p[:3] = (0, 1, 0.5)
    bins = np.minimum((p * 10).astype(int), 9)
    ece = sum(abs(p[bins == b].mean() - label[bins == b].mean()) * (bins == b).sum() for b in np.unique(bins)) / n
    hard = p >= 0.5
    return {"label": label.tolist(), "p": num(p), "auc": roc_auc_score(label, p), "brier": brier_score_loss(label, p), "ece": ece,
            "counts": [int((hard & (label == 1)).sum()), int((hard & (label == 0)).sum()), int((~hard & (label == 0)).sum()), int((~hard & (label == 1)).sum())]}


def calibration():
    """Its own generator: the values above stay what they are."""
    r = np.random.default_rng(7)
    chi2 = [[x, df, float(mpmath.gammainc(mpmath.mpf(df) / 2, mpmath.mpf(x) / 2, regularized=True))]
            for x, df in [(0.001, 1), (0.3, 10), (2.5, 3), (9, 10), (11.5, 10), (18.307, 10), (40, 5), (300, 10), (80, 100), (120, 100)]]
    tests = []
    for n, groups, shift in [(99, 10, 0), (99, 10, 0.2), (57, 5, -0.1), (400, 10, 0.05)]:
        p = r.beta(2, 1.2, n)
        label = (r.random(n) < np.clip(p + shift, 0, 1)).astype(int)
        res = test_chisquare_binning(np.stack([1 - label, label], 1), np.stack([1 - p, p], 1), sort_var=p, bins=groups, df=groups)
        tests.append({"label": label.tolist(), "p": num(p), "groups": groups, "statistic": float(res.statistic), "pvalue": float(res.pvalue)})
    return {"chi2": chi2, "hosmer_lemeshow": tests}


def bootstrap_auc():
    """SciPy's BCa of the area from 20000 resamples: agreement to the noise of the resamples."""
    r = np.random.default_rng(8)
    out = []
    for n, m, shift in [(72, 27, 0.8), (30, 30, 2.0)]:
        one, two = np.round(r.normal(shift, 1, n), 2), np.round(r.normal(0, 1, m), 2)
        area = lambda a, b, axis=-1: (np.sign(a[..., :, None] - b[..., None, :]) / 2 + 0.5).mean((-1, -2))
        ci = [stats.bootstrap((one, two), area, vectorized=True, n_resamples=20000, batch=500, method=m, rng=r).confidence_interval for m in ("percentile", "BCa")]
        out.append({"label": [1] * n + [0] * m, "score": num(np.concatenate([one, two])), "percentile": num(ci[0]), "bca": num(ci[1])})
    return out


def lesions():
    """Random fields of small components against others, and against a smooth body; SciPy's labels."""
    out = []
    zero = ((0, 0, 0), (0, 0, 0))
    for size, one, two in [((9, 14, 16), (*zero, 6, 90), ((4, 7, 8), (1, 1, 1), 40, 60)), ((1, 40, 40), (*zero, 8, 70), ((0, 20, 20), (0, 0, 1), 90, 400)),
                           ((12, 12, 12), ((6, 6, 6), (1, 1, 1), 20, 25), ((4, 7, 6), (1, 2, 1), 25, 30)), ((5, 6, 7), (*zero, 0, 9), (*zero, 2, 60)),
                           ((5, 6, 7), (*zero, 0, 9), (*zero, 0, 9))]:
        masks = [blob(size, *one), blob(size, *two)]
        for least in (0, 0.3):
            total, met = [], []
            for a, b in (masks, masks[::-1]):
                ids, n = ndimage.label(a, np.ones((3, 3, 3)))
                total.append(n)
                met.append(sum(b[ids == k].mean() > least for k in range(1, n + 1)))
            out.append({"size": size, "blobs": [[int(v) for v in (*b[0], *b[1], *b[2:])] for b in (one, two)], "least": least, "ref": total[0],
                        "pred": total[1], "found": int(met[0]), "false": int(total[1] - met[1])})
    return out


def main():
    out = {"special": special(), "wilcoxon": wilcoxon(), "delong": delong_cases(), "proportions": proportions(), "bootstrap": bootstrap(),
           "paired": paired(), "surfaces": surfaces(), "components": component_cases(), "classification": classification(), "calibration": calibration(),
           "bootstrap_auc": bootstrap_auc(), "lesions": lesions()}
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/data/golden/stats.json", "w") as f:
        f.write(json.dumps(out).replace('], "', '],\n"').replace("}, {", "},\n{") + "\n")


main()
