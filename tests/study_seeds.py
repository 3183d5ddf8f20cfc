# study_seeds.py - the same preset from several seeds (other patients, other weights), each study's numbers and
# what it claimed beside the other's: from their report.json, as Markdown, or between the markers
# <!-- PRESET_seeds --> and <!-- /PRESET_seeds --> of a file.
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
if len({r["seed"] for r, _ in runs}) < len(runs) or any(r["preset"] != preset for r, _ in runs):
    sys.exit("study_seeds.py: wants one preset and seeds that differ")

rows = []


def row(name, values):
    rows.append(f"| {name} | " + " | ".join(values) + " |")


def mean(v):
    return ", ".join(f"{x:.3f}" for x in v) if isinstance(v, list) else f"{v:.3f}"


def claimed(c):
    """What both analyses of patients and seeds as random say of a difference: as study_tables.py's rows and
    the report's headline."""
    shown = max(c["p_patients_and_seeds_random"], c["p_crossed_bootstrap"]) < 0.05
    low, high = c["ci_patients_and_seeds_random"]
    return f"{c['difference_over_seeds']:.3f} ({low:.3f} to {high:.3f}), {'shown' if shown else 'not shown'}"


row("", (f"seed {r['seed']} ({commit})" for r, commit in runs))
rows.append("|---|" + "---|" * len(runs))
for task, value, name in (("segmentation", "dice_mean", "Dice"), ("classification", "auc", "AUC")):
    tasks = [r[task] for r, _ in runs]
    for arm in tasks[0]["arms"]:
        row(f"{name}, {arm.replace('_', ' ')}", (mean(t["arms"][arm][value]) for t in tasks))
    for k, b in enumerate(tasks[0].get("baselines", [])):
        row(f"{name}, {b['name']}", (mean(t["baselines"][k]["auc"]) for t in tasks))
    found = [{(c["a"], c["b"]): c for c in t["comparisons"]} for t in tasks]
    for a, b in found[0]:
        if not b.startswith("local"):
            row(f"{name}, {a} less {b}".replace("_", " "), (claimed(of[a, b]) for of in found))
    for key, word, shown in (("noninferiority", "non-inferiority", "shown"),
                             ("equivalence", "equivalence", "equivalent")):
        row(f"{name}, {word} of federated to centralised",
            ("shown" if t[key][shown] else "not shown" for t in tasks))
text = textwrap.fill(f"`nephron study --preset {preset}` from {len(runs)} seeds; differences as mean (95 %, "
                     "patients and seeds random), and whether the stricter of the two analyses shows one at "
                     "0.05, unadjusted.", 110, break_on_hyphens=False) + "\n\n" + "\n".join(rows) + "\n"
if page is None:
    print(text)
else:
    whole, mark = open(page).read(), f"{preset}_seeds"
    head, rest = whole.split(f"<!-- {mark} -->")
    open(page, "w").write(head + f"<!-- {mark} -->\n" + text + f"<!-- /{mark} -->" +
                          rest.split(f"<!-- /{mark} -->")[1])
