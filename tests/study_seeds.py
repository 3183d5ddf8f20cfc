# study_seeds.py - the same preset from several seeds (other patients, other weights), each study's numbers and what it claimed beside the
# other's: from their report.json, as Markdown, or between the markers <!-- PRESET_seeds --> and <!-- /PRESET_seeds --> of a file.
#
#     python3 tests/study_seeds.py standard/report.json@COMMIT standard2/report.json@COMMIT [docs/study.md]
import json
import sys
import textwrap

runs, page = [], None
for argument in sys.argv[1:]:
    if "@" in argument:
        path, commit = argument.rsplit("@", 1)
        runs.append((json.load(open(path)), commit))
    else:
        page = argument
preset = runs[0][0]["preset"]
assert len({r["seed"] for r, _ in runs}) == len(runs) and all(r["preset"] == preset for r, _ in runs), "one preset, seeds that differ"

rows = []


def row(name, *values):
    rows.append(f"| {name} | " + " | ".join(values) + " |")


def claimed(a, b, c):
    """What both analyses of patients and seeds as random say of a less b: as study_tables.py's rows and the report's headline."""
    shown = max(c["p_patients_and_seeds_random"], c["p_crossed_bootstrap"]) < 0.05
    low, high = c["ci_patients_and_seeds_random"]
    return f"{c['difference_over_seeds']:.3f} ({low:.3f} to {high:.3f}), {'shown' if shown else 'not shown'}"


row("", *(f"seed {r['seed']} ({commit})" for r, commit in runs))
rows.append("|---|" + "---|" * len(runs))
for task, value, name in (("segmentation", "dice_mean", "Dice"), ("classification", "auc", "AUC")):
    tasks = [r[task] for r, _ in runs]
    for arm in tasks[0]["arms"]:
        cells = []
        for t in tasks:
            v = t["arms"][arm][value]
            cells.append(", ".join(f"{x:.3f}" for x in v) if isinstance(v, list) else f"{v:.3f}")
        row(f"{name}, {arm.replace('_', ' ')}", *cells)
    for k, b in enumerate(tasks[0].get("baselines", [])):
        row(f"{name}, {b['name']}", *(f"{t['baselines'][k]['auc']:.3f}" for t in tasks))
    pairs = [(c["a"], c["b"]) for c in tasks[0]["comparisons"] if not c["b"].startswith("local")]
    for a, b in pairs:
        row(f"{name}, {a} less {b}", *(claimed(a, b, next(c for c in t["comparisons"] if (c["a"], c["b"]) == (a, b))) for t in tasks))
    for key, what in (("noninferiority", "shown"), ("equivalence", "equivalent")):
        row(f"{name}, {'non-inferiority' if key == 'noninferiority' else key} of federated to centralised",
            *("shown" if t[key][what] else "not shown" for t in tasks))
text = textwrap.fill(f"`nephron study --preset {preset}` from {len(runs)} seeds; differences as mean (95 %, patients and seeds random), and "
                     "whether the stricter of the two analyses shows one at 0.05, unadjusted.", 110,
                     break_on_hyphens=False) + "\n\n" + "\n".join(rows) + "\n"
if page is None:
    print(text)
else:
    whole, mark = open(page).read(), f"{preset}_seeds"
    head, rest = whole.split(f"<!-- {mark} -->")
    open(page, "w").write(head + f"<!-- {mark} -->\n" + text + f"<!-- /{mark} -->" + rest.split(f"<!-- /{mark} -->")[1])
