# study_tables.py - the tables of docs/study.md from a study's report.json: prints Markdown, or replaces what stands between the markers
# <!-- study --> and <!-- /study --> of a file.
#
#     python3 tests/study_tables.py study/report.json COMMIT [docs/study.md]
import json
import sys
import textwrap

report = json.load(open(sys.argv[1]))
out = [f"`{report['command']}`, commit {sys.argv[2]}; {report['cases']} cases, {report['wall_seconds'] / 60:.0f} minutes "
       f"({report['processor_seconds'] / 60:.0f} of a processor), {report['peak_memory_bytes'] / 1e6:.0f} MB.", ""]


def span(v, ci, digits=3):
    if v is None or ci[0] is None:
        return "-"
    return f"{v:.{digits}f} ({ci[0]:.{digits}f} to {ci[1]:.{digits}f})"


for task, value, ci in (("segmentation", "dice_mean", "dice_ci"), ("classification", "auc", "auc_ci")):
    if task not in report:
        continue
    t = report[task]
    out += [f"| {task}, {t['test_cases']} test cases | {'mean Dice' if value == 'dice_mean' else 'AUC'} (95 %) | each seed |", "|---|---|---|"]
    for name, arm in t["arms"].items():
        if isinstance(arm[value], list):
            for k, site in enumerate(arm["institutions"]):
                seeds = ", ".join(f"{x:.3f}" for x in arm["per_seed"][k])
                out.append(f"| {name}: {site} | {arm[value][k]:.3f} | {seeds} |")
        else:
            out.append(f"| {name} | {span(arm[value], arm[ci])} | {', '.join(f'{x:.3f}' for x in arm['per_seed'])} |")
    for b in t.get("baselines", []):
        out.append(f"| {b['name']} | {span(b['auc'], b['auc_ci'])} | |")
    out += ["", textwrap.fill(t["headline"], 110), ""]
text = "\n".join(out)
if len(sys.argv) < 4:
    print(text)
else:
    page = open(sys.argv[3]).read()
    head, rest = page.split("<!-- study -->")
    tail = rest.split("<!-- /study -->")[1]
    open(sys.argv[3], "w").write(head + "<!-- study -->\n" + text + "<!-- /study -->" + tail)
