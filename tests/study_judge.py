# study_judge.py - a study's statistics once more, from its tables of cases alone, by SciPy, scikit-learn and
# formulas written here: means, Wilcoxon's test, Hodges and Lehmann's shift, the mixed model and the crossed
# bootstrap of patients and seeds, non-inferiority and equivalence; areas under the curve with intervals,
# DeLong's test, Obuchowski and Rockette's, McNemar's, accuracy with Wilson's and Clopper-Pearson's intervals,
# Brier, ECE. Prints each beside report.json and fails where they differ by more than the written digits allow
# (a bootstrap: by a fifth of its width).
#
#     python3 tests/study_judge.py STUDY          wants numpy, scipy, scikit-learn
import csv
import json
import os
import sys

import numpy as np
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score

study = sys.argv[1]
report = json.load(open(os.path.join(study, "report.json")))
passed, failed = 0, 0


def same(what, ours, theirs, tolerance=2e-6):
    """Relative where the value is large, absolute where it is small."""
    global passed, failed
    good = np.allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    passed, failed = passed + good, failed + (not good)
    print(f"{'' if good else 'FAILED '}{what}: {theirs} (the judge: {ours})")


# ---- segmentation --------------------------------------------------------------------------------------


def dice(arm, seeds):
    """[seed][case] of an arm's JSON files, which `nephron evaluate` would write."""
    rows = [json.load(open(os.path.join(study, f"predictions/segmentation/{arm}_seed_{k + 1}.json")))
            for k in range(seeds)]
    return np.array([[np.nanmean([label["Dice"] for label in case["metrics"].values()])
                      for case in r["metric_per_case"]] for r in rows])


def mixed(d):
    """Mean of differences [seed][patient], its standard error and degrees of freedom: random patients and
    seeds; a variance below 0 is 0; of one seed the patients alone."""
    k, n = d.shape
    if k == 1:
        return d.mean(), d.std(ddof=1) / np.sqrt(n), n - 1
    seed, patient = d.mean(1, keepdims=True) - d.mean(), d.mean(0, keepdims=True) - d.mean()
    ms = n * (seed**2).sum() / (k - 1)
    mp = k * (patient**2).sum() / (n - 1)
    mr = ((d - d.mean() - seed - patient) ** 2).sum() / ((k - 1) * (n - 1))
    if mp < mr:
        return d.mean(), np.sqrt(ms / (n * k)), k - 1
    if ms < mr:
        return d.mean(), np.sqrt(mp / (n * k)), n - 1
    v = ms + mp - mr
    df = v**2 / (ms**2 / (k - 1) + mp**2 / (n - 1) + mr**2 / ((k - 1) * (n - 1)))
    return d.mean(), np.sqrt(v / (n * k)), df


def signed_rank(d):
    """Two-sided p of Wilcoxon's test, zeros as Pratt: to 50 differences from the distribution of the midranks'
    sum itself, else SciPy's normal approximation."""
    if len(d) > 50:
        return stats.wilcoxon(d, zero_method="pratt", correction=True, mode="approx").pvalue
    twice = np.rint(2 * stats.rankdata(abs(d))).astype(int)[d != 0]
    ways = np.ones(1)
    for rank in twice:
        ways = np.convolve(ways, np.r_[1, np.zeros(rank - 1), 1]) / 2
    least = min(twice[d[d != 0] > 0].sum(), twice[d[d != 0] < 0].sum())
    return min(1, 2 * ways[: least + 1].sum())


def bootstrap(d):
    """Seeds and patients drawn again, 4000 times."""
    rng = np.random.default_rng(1)
    k, n = d.shape
    return np.array([d[rng.integers(0, k, k)][:, rng.integers(0, n, n)].mean() for _ in range(4000)])


def segmentation(s):
    values = {arm: dice(arm, s["seeds"]) for arm in s["arms"] if arm != "local"}
    for arm, v in values.items():
        same(f"Dice of {arm}", np.nanmean(np.nanmean(v, 0)), s["arms"][arm]["dice_mean"])
        same("its seeds", np.nanmean(v, 1), s["arms"][arm]["per_seed"])
    for c in s["comparisons"]:
        a, b = (c[side].replace(" ", "_") for side in "ab")
        if a not in values or b not in values:
            continue
        d = values[a] - values[b]
        d = d[:, np.isfinite(d).all(0)]
        mean, se, df = mixed(d)
        names = f"{c['a']} less {c['b']}"
        same(f"{names}: Wilcoxon's p", signed_rank(d.mean(0)), c["p"])
        same(f"{names}: mean over seeds", mean, c["difference_over_seeds"])
        if s["seeds"] > 1:
            same(f"{names}: p, patients and seeds random", 2 * stats.t.sf(abs(mean) / se, df),
                 c["p_patients_and_seeds_random"])
        half = stats.t.ppf(0.975, df) * se
        same(f"{names}: its interval", [mean - half, mean + half], c["ci_patients_and_seeds_random"])
    d = values["federated"] - values["centralised"]
    d = d[:, np.isfinite(d).all(0)]
    mean, se, df = mixed(d)
    case = d.mean(0)
    i, j = np.triu_indices(len(case))
    same("Hodges and Lehmann", np.median((case[i] + case[j]) / 2), s["wilcoxon"]["hodges_lehmann"]["shift"])
    margin = s["noninferiority"]["margin"]
    same("non-inferiority, p", stats.t.sf((mean + margin) / se, df), s["noninferiority"]["p"])
    same("equivalence, p", max(stats.t.sf((mean + margin) / se, df), stats.t.cdf((mean - margin) / se, df)),
         s["equivalence"]["p"])
    found, limit = s["power"]["detectable_difference"], stats.t.ppf(0.975, df)
    power = stats.nct.sf(limit, df, found / se) + stats.nct.cdf(-limit, df, found / se)
    same("power of what is detectable", power, 0.8)
    ours, theirs = np.percentile(bootstrap(d), [2.5, 97.5]), s["patients_and_seeds_random"]["bootstrap_ci"]
    same("crossed bootstrap", ours, theirs, (theirs[1] - theirs[0]) / 5)


# ---- classification ------------------------------------------------------------------------------------


def scores(name):
    rows = list(csv.DictReader(open(os.path.join(study, f"predictions/classification/{name}.csv"))))
    return np.array([int(r["label"]) for r in rows]), np.array([float(r["probability"]) for r in rows])


def placements(y, p):
    """DeLong's structural components of the positive and of the negative cases."""
    psi = np.sign(p[y == 1][:, None] - p[y == 0][None]) / 2 + 0.5
    return psi.mean(1), psi.mean(0)


def covariance(a, b):
    return sum(np.cov(u, v)[0, 1] / len(u) for u, v in zip(a, b))


def obuchowski_rockette(first, second):
    """Two arms of as many seeds (readers), each its placements: difference, standard error, Hillis's degrees
    of freedom."""
    r = len(first)
    area = np.array([[e[0].mean() for e in arm] for arm in (first, second)])
    others = [(i, j) for i in range(r) for j in range(r) if i != j]
    within = np.mean([covariance(arm[i], arm[j]) for arm in (first, second) for i, j in others])
    across = np.mean([covariance(first[i], second[j]) for i, j in others])
    left = area - area.mean(1, keepdims=True) - area.mean(0, keepdims=True) + area.mean()
    ms = (left**2).sum() / (r - 1)
    v = ms + r * max(within - across, 0)
    return area[0].mean() - area[1].mean(), np.sqrt(2 * v / r), v**2 / (ms**2 / (r - 1))


def calibration_error(y, p, bins=10):
    at = np.minimum((p * bins).astype(int), bins - 1)
    return sum(abs((y - p)[at == b].sum()) for b in range(bins)) / len(y)


def classification(c):
    arms = [arm for arm in c["arms"] if arm != "local"]
    for arm in arms:
        r = c["arms"][arm]
        y, p = scores(arm)
        area, parts = roc_auc_score(y, p), placements(y, p)
        se = np.sqrt(covariance(parts, parts)) / (area * (1 - area))
        logit = np.log(area / (1 - area)) + np.array([-1, 1]) * stats.norm.ppf(0.975) * se
        right = (p >= 0.5) == y
        exact = stats.binomtest(int(right.sum()), len(y))
        same(f"AUC of {arm}", area, r["auc"])
        same("its interval", 1 / (1 + np.exp(-logit)), r["auc_ci"])
        same("accuracy, sensitivity, specificity", [right.mean(), right[y == 1].mean(), right[y == 0].mean()],
             [r["accuracy"], r["sensitivity"], r["specificity"]])
        same("Wilson", list(exact.proportion_ci(method="wilson")), r["accuracy_ci"])
        same("Clopper and Pearson", list(exact.proportion_ci(method="exact")), r["accuracy_ci_exact"])
        same("Brier", brier_score_loss(y, p), r["brier"])
        same("ECE", calibration_error(y, p), r["ece"])
    for k in c["comparisons"]:
        pair = [k[side].replace(" ", "_") for side in "ab"]
        if not set(pair) <= set(arms):
            continue
        (y, a), (_, b) = map(scores, pair)
        parts = [u - v for u, v in zip(placements(y, a), placements(y, b))]
        z = parts[0].mean() / np.sqrt(covariance(parts, parts))
        same(f"{k['a']} less {k['b']}: DeLong's p", 2 * stats.norm.sf(abs(z)), k["p"])
        every = [[placements(*scores(f"{arm}_seed_{s + 1}")) for s in range(c["seeds"])] for arm in pair]
        mean, se, df = obuchowski_rockette(*every)
        same("Obuchowski and Rockette, difference and p", [mean, 2 * stats.t.sf(abs(mean) / se, df)],
             [k["difference_over_seeds"], k["p_patients_and_seeds_random"]])
    (y, a), (_, b) = scores("federated"), scores("centralised")
    for name, part in (("accuracy", y >= 0), ("sensitivity", y == 1), ("specificity", y == 0)):
        u, v = ((a >= 0.5) == y)[part], ((b >= 0.5) == y)[part]
        more, less = int((u & ~v).sum()), int((~u & v).sum())
        told = c["mcnemar"] if name == "accuracy" else c["mcnemar"][name]
        p = stats.binomtest(more, more + less).pvalue if more + less else 1
        same(f"McNemar, {name}", [more, less, p], [told["b"], told["c"], told["p"]])


segmentation(report["segmentation"])
classification(report["classification"])
print(f"study_judge: {passed} passed, {failed} failed")
sys.exit(failed > 0)
