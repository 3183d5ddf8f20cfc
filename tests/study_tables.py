# study_tables.py - tables from a study's report.json: prints the long one as Markdown, or replaces what stands between the markers
# <!-- study --> and <!-- /study --> of pages. README.md gets the short one.
#
#     python3 tests/study_tables.py study/report.json COMMIT [docs/study.md README.md]
import json
import os
import sys

report = json.load(open(sys.argv[1]))
TASKS = ("segmentation", "dice_mean", "dice_ci", "Dice"), ("classification", "auc", "auc_ci", "AUC")


def span(v, ci, digits=3):
    if v is None or ci[0] is None:
        return "-"
    return f"{v:.{digits}f} ({ci[0]:.{digits}f} to {ci[1]:.{digits}f})"


def long_table():
    out = [f"`{report['command']}`, commit {sys.argv[2]}; {report['cases']} cases, {report['wall_seconds'] / 60:.0f} minutes, "
           f"{report['peak_memory_bytes'] / 1e6:.0f} MB.", ""]
    for task, value, ci, title in TASKS:
        if task not in report:
            continue
        t = report[task]
        out += [f"| {task}, {t['test_cases']} test cases | {'mean ' if title == 'Dice' else ''}{title} (95 %) | each seed |", "|---|---|---|"]
        for name, arm in t["arms"].items():
            if isinstance(arm[value], list):
                for k, site in enumerate(arm["institutions"]):
                    seeds = ", ".join(f"{x:.3f}" for x in arm["per_seed"][k])
                    out.append(f"| {name}: {site} | {arm[value][k]:.3f} | {seeds} |")
            else:
                out.append(f"| {name} | {span(arm[value], arm[ci])} | {', '.join(f'{x:.3f}' for x in arm['per_seed'])} |")
        for b in t.get("baselines", []):
            out.append(f"| {b['name']} | {span(b['auc'], b['auc_ci'])} | |")
        out += ["", t["headline"], ""]
    return out


def short_table():
    cases = report["segmentation"]["test_cases"]
    out = [f"| `make study`, commit {sys.argv[2]}, {cases} test cases | federated | centralised | alone, each institution | volume, age, sex | boosted "
           "trees on shape and first-order features |", "|---|---|---|---|---|---|"]
    for task, value, _, title in TASKS:
        t = report[task]
        clinical, trees = (next((f"{m['auc']:.2f}" for m in t.get("baselines", []) if m["name"].startswith(start)), "")
                           for start in ("volume, ", "shape"))
        alone = t["arms"]["local"][value]
        seeds = len(t["arms"]["federated"]["per_seed"])
        out.append(f"| {title}, {seeds} seed{'s' if seeds > 1 else ''} | {t['arms']['federated'][value]:.2f} | {t['arms']['centralised'][value]:.2f} | "
                   f"{min(alone):.2f} to {max(alone):.2f} | {clinical} | {trees} |")
    return out


if len(sys.argv) < 4:
    print("\n".join(long_table()))
for path in sys.argv[3:]:
    page = open(path).read()
    head, rest = page.split("<!-- study -->")
    tail = rest.split("<!-- /study -->")[1]
    table = short_table() if os.path.basename(path) == "README.md" else long_table()
    open(path, "w").write(head + "<!-- study -->\n" + "\n".join(table).rstrip("\n") + "\n<!-- /study -->" + tail)
