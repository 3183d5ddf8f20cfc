"""Golden values of the statistics of studies: tests/data/golden/study_stats.json.

Oracles: SciPy (noncentral t, t tests, rank sums, optimisers, permutation tests), statsmodels (power), scikit-learn (ROC, one-versus-rest), and else
definitions written out in NumPy: every sign or subset enumerated, placements pair by pair, mean squares of a general analysis of variance, crossed
resampling.
"""
import itertools
import json
import sys

import numpy as np
from scipy import optimize, special, stats
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.power import TTestPower

num = lambda v: [float(x) for x in np.asarray(v, dtype=float).ravel()]


def hodges_lehmann():
    out = []
    for n, digits, seed in [(5, 8, 1), (8, 8, 2), (12, 1, 3), (12, 8, 4), (60, 8, 5), (2, 8, 6)]:
        r = np.random.default_rng(seed)
        a, b = np.round(r.normal(0.3, 1, n), digits), np.round(r.normal(0, 1, n), digits)
        d = a - b
        walsh = np.sort([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])
        if n <= 12:  # all 2^n signs of ranks without ties
            sums = np.array([np.dot(s, np.arange(1, n + 1)) for s in itertools.product((0, 1), repeat=n)])
            c = max([c for c in range(1, n * (n + 1) // 2 + 1) if (sums < c).mean() <= 0.025], default=1)
            level = 1 - 2 * (sums < c).mean()
        else:
            c = int(np.floor(n * (n + 1) / 4 - stats.norm.ppf(0.975) * np.sqrt(n * (n + 1) * (2 * n + 1) / 24) + 0.5))
            level = 0.95
        out.append({"a": num(a), "b": num(b), "shift": float(np.median(walsh)), "ci": num([walsh[c - 1], walsh[-c]]), "level": float(level)})
    return out


def mann_whitney():
    out = []
    for n, m, digits, seed in [(4, 6, 8, 1), (5, 6, 0, 2), (7, 5, 0, 3), (20, 25, 8, 4), (40, 30, 1, 5), (60, 10, 8, 6)]:
        r = np.random.default_rng(seed)
        a, b = np.round(r.normal(0.8, 1, n), digits), np.round(r.normal(0, 1, m), digits)
        ties = len(np.unique(np.concatenate([a, b]))) < n + m
        if n + m <= 12:
            ranks = stats.rankdata(np.concatenate([a, b]))
            sums = np.array([sum(ranks[list(c)]) for c in itertools.combinations(range(n + m), n)])
            got = ranks[:n].sum()
            p = min(1, 2 * min((sums <= got + 1e-9).mean(), (sums >= got - 1e-9).mean()))
            if not ties:
                assert abs(p - stats.mannwhitneyu(a, b, method="exact").pvalue) < 1e-12
        else:
            exact = n + m <= 50
            assert not (exact and ties)
            p = stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic").pvalue
        u = stats.mannwhitneyu(a, b).statistic
        out.append({"a": num(a), "b": num(b), "u": float(u), "p": float(p), "exact": int(n + m <= 50)})
    return out


def clustered_wilcoxon():
    out = []
    for sizes, digits, seed in [([1] * 9, 8, 1), ([2, 3, 1, 4, 2, 2, 1], 1, 2), ([3] * 10, 0, 3), ([1, 2] * 40, 1, 4)]:
        r = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(len(sizes)), sizes)
        shift = r.normal(0.3, 0.5, len(sizes))[cluster]
        a, b = np.round(shift + r.normal(0, 1, len(cluster)), digits), np.round(r.normal(0, 1, len(cluster)), digits)
        order = r.permutation(len(cluster))
        a, b, cluster = a[order], b[order], cluster[order]
        d = a - b
        ranks = stats.rankdata(abs(d)) * np.sign(d)
        sums = np.array([ranks[cluster == c].sum() for c in range(len(sizes))])
        active = np.array([np.any(d[cluster == c] != 0) for c in range(len(sizes))])
        if active.sum() <= 50:
            t = np.array([np.dot(s, abs(sums[active])) for s in itertools.product((-1, 1), repeat=int(active.sum()))])
            p = min(1, 2 * min((t <= sums.sum() + 1e-9).mean(), (t >= sums.sum() - 1e-9).mean()))
        else:
            p = 2 * stats.norm.sf(abs(sums.sum()) / np.sqrt((sums ** 2).sum()))
        out.append({"a": num(a), "b": num(b), "cluster": cluster.tolist(), "clusters": len(sizes), "used": int(active.sum()), "p": float(p)})
    return out


def noncentral_t():
    return [[t, df, delta, float(stats.nct.cdf(t, df, delta))]
            for t, df, delta in [(0.5, 4, 1), (2.1, 19, 2.8), (-2.1, 19, 2.8), (1.98, 98, 2.5), (-1.5, 7, -3), (0, 5, 1.2), (3, 60, 0), (12, 30, 10), (1.7, 3.5, 0.4)]]


def power():
    out = []
    for n, sd, effect in [(10, 0.1, 0.05), (20, 0.08, 0.02), (99, 0.15, 0.05), (5, 1, 2), (40, 0.1, 0)]:
        se, df, crit = sd / np.sqrt(n), n - 1, stats.t.ppf(0.95, n - 1)
        two = TTestPower().power(effect / sd, n, 0.05) if effect else 0.05
        find = TTestPower().solve_power(None, n, 0.05, 0.8) * sd
        one = stats.nct.sf(stats.t.ppf(0.975, df), df, (effect / 2 + 0.03) / se)
        tost = lambda m: max(0, stats.nct.cdf(-crit, df, (effect / 2 - m) / se) - stats.nct.cdf(crit, df, (effect / 2 + m) / se))
        out.append({"n": n, "sd": sd, "effect": effect, "two_sided": float(two), "detectable": float(find), "noninferiority": float(one),
                    "tost": float(tost(0.08)), "normal": float(stats.norm.sf(1.959963984540054 - effect / se) + stats.norm.cdf(-1.959963984540054 - effect / se))})
    return out


def noninferiority():
    out = []
    for n, shift, margin, seed in [(20, -0.01, 0.05, 1), (8, -0.2, 0.1, 2), (50, 0.02, 0.02, 3)]:
        r = np.random.default_rng(seed)
        a = r.normal(0.8, 0.1, n)
        b = a - shift + r.normal(0, 0.05, n)
        test = stats.ttest_1samp(a - b, -margin, alternative="greater")
        low = stats.ttest_1samp(a - b, 0, alternative="greater").confidence_interval(0.975).low
        out.append({"a": num(a), "b": num(b), "margin": margin, "p": float(test.pvalue), "bound": float(low)})
    return out


def placements(label, score):
    pos, neg = score[label == 1], score[label == 0]
    psi = (pos[:, None] > neg).astype(float) + 0.5 * (pos[:, None] == neg)
    return psi.mean(), psi.mean(1), psi.mean(0)


def analysis(theta, cov, r, t=2):
    """Obuchowski & Rockette with Hillis's degrees of freedom, from the general mean squares. theta [t][r], cov[(i, j), (k, l)]."""
    grand, of_t, of_r = theta.mean(), theta.mean(1), theta.mean(0)
    ms_t = r * ((of_t - grand) ** 2).sum() / (t - 1)
    ms_tr = sum((theta[i, j] - of_t[i] - of_r[j] + grand) ** 2 for i in range(t) for j in range(r)) / ((t - 1) * (r - 1))
    c2 = np.mean([cov[i, j, i, l] for i in range(t) for j in range(r) for l in range(r) if j != l])
    c3 = np.mean([cov[i, j, k, l] for i in range(t) for k in range(t) if i != k for j in range(r) for l in range(r) if j != l])
    denominator = ms_tr + max(r * (c2 - c3), 0)
    df = denominator ** 2 / (ms_tr ** 2 / ((t - 1) * (r - 1)))
    return float(stats.f.sf(ms_t / denominator, t - 1, df)), float(np.sqrt(2 * denominator / r)), float(df)


def seeds():
    out = []
    for n, r, spread, seed in [(40, 5, 0.3, 1), (60, 3, 0.02, 2), (25, 2, 1.0, 3)]:
        g = np.random.default_rng(seed)
        label = (np.arange(n) % 5 < 3).astype(int)
        patient = g.normal(0, 1, n) + label
        a = patient + g.normal(0.1, spread, (r, 1)) + g.normal(0, 0.6, (r, n)) + spread * g.normal(0, 1, (r, 1)) * label
        b = patient + g.normal(0, spread, (r, 1)) + g.normal(0, 0.8, (r, n))
        both = np.stack([a, b])
        parts = {(i, j): placements(label, both[i, j]) for i in range(2) for j in range(r)}
        theta = np.array([[parts[i, j][0] for j in range(r)] for i in range(2)])
        cov = np.zeros((2, r, 2, r))
        mean_cov = np.zeros((2, r, 2, r))
        for i, j, k, l in itertools.product(range(2), range(r), range(2), range(r)):
            (_, v, u), (_, w, x) = parts[i, j], parts[k, l]
            cov[i, j, k, l] = np.cov(v, w)[0, 1] / len(v) + np.cov(u, x)[0, 1] / len(u)
            mean_cov[i, j, k, l] = np.cov(both[i, j], both[k, l])[0, 1] / n
        d = a - b
        of_case, of_seed, grand = d.mean(0), d.mean(1), d.mean()
        mp = r * ((of_case - grand) ** 2).sum() / (n - 1)
        ms = n * ((of_seed - grand) ** 2).sum() / (r - 1)
        me = ((d - of_case - of_seed[:, None] + grand) ** 2).sum() / ((n - 1) * (r - 1))
        var_seed, var_case = max((ms - me) / n, 0), max((mp - me) / r, 0)
        if var_seed > 0 and var_case > 0:
            se, df = np.sqrt((mp + ms - me) / (n * r)), (mp + ms - me) ** 2 / (mp ** 2 / (n - 1) + ms ** 2 / (r - 1) + me ** 2 / ((n - 1) * (r - 1)))
            assert abs(se ** 2 - (var_case / n + var_seed / r + me / (n * r))) < 1e-12
        else:
            se, df = (np.sqrt(mp / (n * r)), n - 1) if mp >= ms else (np.sqrt(ms / (n * r)), r - 1)
        draws, auc_draws = [], []
        for _ in range(20000):
            i, k = g.integers(0, n, n), g.integers(0, r, r)
            draws.append(d[np.ix_(k, i)].mean())
        pos, neg = np.flatnonzero(label), np.flatnonzero(1 - label)
        psi = [[(x[pos][:, None] > x[neg]) + 0.5 * (x[pos][:, None] == x[neg]) for x in arm] for arm in both]
        for _ in range(4000):
            i, j, k = g.integers(0, len(pos), len(pos)), g.integers(0, len(neg), len(neg)), g.integers(0, r, r)
            auc_draws.append(np.mean([psi[0][s][np.ix_(i, j)].mean() - psi[1][s][np.ix_(i, j)].mean() for s in k]))
        out.append({"label": label.tolist(), "seeds": r, "a": num(a), "b": num(b), "auc": analysis(theta, cov, r), "mean_or": analysis(both.mean(2), mean_cov, r),
                    "auc_difference": float(theta[0].mean() - theta[1].mean()), "difference": float(grand), "sd_difference": float(of_seed.std(ddof=1)),
                    "mean": [float(2 * stats.t.sf(abs(grand) / se, df)), float(se), float(df)],
                    "bootstrap": num(np.quantile(draws, [0.025, 0.975])), "bootstrap_auc": num(np.quantile(auc_draws, [0.025, 0.975]))})
    return out


def clustered_auc():
    out = []
    for clusters, most, mixed, seed in [(30, 1, 0, 1), (25, 3, 1, 2), (40, 4, 0, 3)]:
        g = np.random.default_rng(seed)
        sizes = g.integers(1, most + 1, clusters)
        cluster = np.repeat(np.arange(clusters), sizes)
        label = (g.random(len(cluster)) < 0.5).astype(int) if mixed else (np.arange(clusters) % 2)[cluster]
        own = g.normal(0, 0.7, clusters)[cluster]
        a, b = label * 0.9 + own + g.normal(0, 0.7, len(label)), np.round(label * 0.6 + own + g.normal(0, 0.9, len(label)), 1)
        m, n = label.sum(), (1 - label).sum()
        v, w = np.zeros((2, len(label))), {}
        areas = []
        for k, s in enumerate((a, b)):
            area, one, two = placements(label, s)
            v[k, label == 1], v[k, label == 0] = one, two
            areas.append(area)
        total = lambda k, c, l: (v[k, (cluster == c) & (label == l)] - areas[k]).sum()
        has = lambda l: sum(np.any((cluster == c) & (label == l)) for c in range(clusters))
        i10, i01, i = has(1), has(0), len(np.unique(cluster))

        def cov(p, q):
            s10 = i10 / ((i10 - 1) * m) * sum(total(p, c, 1) * total(q, c, 1) for c in range(clusters))
            s01 = i01 / ((i01 - 1) * n) * sum(total(p, c, 0) * total(q, c, 0) for c in range(clusters))
            s11 = i / (i - 1) * sum(total(p, c, 1) * total(q, c, 0) + total(q, c, 1) * total(p, c, 0) for c in range(clusters))
            return s10 / m + s01 / n + s11 / (m * n)

        se = np.sqrt(cov(0, 0) + cov(1, 1) - 2 * cov(0, 1))
        out.append({"label": label.tolist(), "a": num(a), "b": num(b), "cluster": cluster.tolist(), "clusters": clusters, "single": int(most == 1),
                    "se_a": float(np.sqrt(cov(0, 0))), "covariance": float(cov(0, 1)), "se": float(se), "p": float(2 * stats.norm.sf(abs(areas[0] - areas[1]) / se))})
    return out


def intervals():
    out = []
    for auc, se, m, n in [(0.85, 0.04, 40, 30), (0.6, 0.1, 12, 5), (0.97, 0.02, 50, 50)]:
        x, h = special.logit(auc), stats.norm.ppf(0.975) * se / (auc * (1 - auc))
        out.append([auc, se, m, n, *num(special.expit([x - h, x + h]))])
    for auc, m, n in [(1.0, 12, 5), (1.0, 100, 80), (0.0, 7, 9), (0.5, 20, 20)]:
        half, z = (m + n) / 2 - 1, stats.norm.ppf(0.975)
        var = lambda a: a * (1 - a) * (1 + half * (1 - a) / (2 - a) + half * a / (1 + a)) / (m * n)
        low = optimize.brentq(lambda a: auc - a - z * np.sqrt(var(a)), 1e-12, auc - 1e-12) if auc > 0 else 0
        high = optimize.brentq(lambda a: a - auc - z * np.sqrt(var(a)), auc + 1e-12, 1 - 1e-12) if auc < 1 else 1
        out.append([auc, 0, m, n, float(low), float(high)])
    return out


def macro():
    out = []
    for n, k, seed in [(60, 3, 1), (90, 4, 2), (50, 2, 3)]:
        g = np.random.default_rng(seed)
        label = g.integers(0, k, n)
        p = g.dirichlet(np.ones(k), n) + 0.4 * np.eye(k)[label]
        p = np.round(p / p.sum(1, keepdims=True), 3)
        p[:, -1] = 1 - p[:, :-1].sum(1)
        areas, part = [], np.zeros(n)
        for c in range(k):
            area, v, u = placements((label == c).astype(int), p[:, c])
            areas.append(area)
            part[label == c] += v / len(v)
            part[label != c] += u / len(u)
        assert abs(np.mean(areas) - np.mean([roc_auc_score(label == c, p[:, c]) for c in range(k)])) < 1e-12
        if k > 2:
            assert abs(np.mean(areas) - roc_auc_score(label, p / p.sum(1, keepdims=True), multi_class="ovr")) < 1e-12
        se = np.sqrt(sum((label == c).sum() * part[label == c].var(ddof=1) for c in range(k))) / k
        area = lambda y, q: np.mean([roc_auc_score(y == c, q[:, c]) for c in range(k)])
        leave = np.array([area(np.delete(label, i), np.delete(p, i, 0)) for i in range(n)])
        jackknife = np.sqrt((n - 1) / n * ((leave - leave.mean()) ** 2).sum())
        assert abs(se / jackknife - 1) < 0.1, (se, jackknife)
        out.append({"label": label.tolist(), "p": num(p), "classes": k, "auc": num(areas), "macro": float(np.mean(areas)), "se": float(se)})
    return out


def calibration():
    out = []
    for n, gain, seed in [(80, 2.0, 1), (40, 0.5, 2), (30, 30, 3), (60, 0, 0)]:
        g = np.random.default_rng(seed)
        label = (g.random(n) < 0.65).astype(int)
        x = gain * (label - 0.5 + g.normal(0, 0.9 if gain < 10 else 0.01, n))
        p = special.expit(x)
        if gain == 0:  # one case of a rare class far from the others: whole steps of Newton's method overshoot
            label = (np.arange(n) == n - 1).astype(int)
            p = np.where(label == 1, 0.97, 0.02 + 0.3 * (np.arange(n) * 17 % n) / n)
        pos = label.sum()
        target = np.where(label == 1, (pos + 1) / (pos + 2), 1 / (n - pos + 2))
        z = special.logit(np.clip(p, 1e-7, 1 - 1e-7))
        loss = lambda t: (np.logaddexp(0, t[0] + t[1] * z) - target * (t[0] + t[1] * z)).sum()
        fit = optimize.minimize(loss, [0, 1], method="BFGS", options={"gtol": 1e-10}).x
        fit = optimize.newton_krylov(lambda t: np.array([(special.expit(t[0] + t[1] * z) - target).sum(), ((special.expit(t[0] + t[1] * z) - target) * z).sum()]), fit, f_tol=1e-10)
        fpr, tpr, thr = roc_curve(label, p, drop_intermediate=False)
        best = (tpr - fpr).max()
        youden = min(t for t, v in zip(thr, tpr - fpr) if v > best - 1e-12)
        sens = max(t for t, v in zip(thr, tpr) if v >= 0.9)
        odds = 0.7 / 0.3 / (0.5 / 0.5) * p / (1 - p)
        out.append({"label": label.tolist(), "p": num(p), "fit": num(fit), "youden": float(youden), "sensitivity90": float(sens), "shifted": num(odds / (1 + odds))})
    return out


def main():
    out = {f.__name__: f() for f in (hodges_lehmann, mann_whitney, clustered_wilcoxon, noncentral_t, power, noninferiority, seeds, clustered_auc, intervals,
                                     macro, calibration)}
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/data/golden/study_stats.json", "w") as f:
        f.write(json.dumps(out).replace('], "', '],\n"').replace("}, {", "},\n{") + "\n")


main()
