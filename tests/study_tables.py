# study_tables.py - the tables of docs/study.md from a study's report.json: prints Markdown, or replaces what stands between the markers
# <!-- study --> and <!-- /study --> of a file; of another preset than quick, between markers of its name.
#
#     python3 tests/study_tables.py study/report.json COMMIT [docs/study.md]
import json
import math
import sys
import textwrap

report = json.load(open(sys.argv[1]))
out = [textwrap.fill(
    f"`{report['command']}`, commit {sys.argv[2]}; {report['cases']} cases, "
    + ("stopped and continued." if report.get("continued") else
       f"{report['wall_seconds'] / 60:.0f} minutes ({report['processor_seconds'] / 60:.0f} of a processor), "
       f"{report['peak_memory_bytes'] / 1e6:.0f} MB."),
    110, break_long_words=False, break_on_hyphens=False), ""]


def span(v, ci, digits=3):
    if v is None or ci[0] is None:
        return "-"
    return f"{v:.{digits}f} ({ci[0]:.{digits}f} to {ci[1]:.{digits}f})"


def number(v, form):
    return "-" if v is None or math.isnan(v) else format(v, form)


def differences(t):
    """Every pair of the main arms: what another training of each would show, and what these trained models show."""
    model = t["patients_and_seeds_random"]["name"].split(",")[0]
    test = t["comparisons"][0]["conditional_test"].split(",")[0].split(" ")[0]
    lines = [f"| {t['test_cases']} test cases, difference | value | SD between seeds | 95 %, patients and seeds random | p ({model}) | "
             f"p (crossed bootstrap) | p of these models alone ({test}) | the same, Holm |", "|---|---|---|---|---|---|---|---|"]
    for c in t["comparisons"]:
        several = number(c["sd_between_seeds"], ".3f") != "-"
        interval = c["ci_patients_and_seeds_random"]
        lines.append(f"| {c['a'].replace('_', ' ')} less {c['b'].replace('_', ' ')} | {number(c['difference_over_seeds'], '.3f')} | {number(c['sd_between_seeds'], '.3f')} | "
                     + (f"{number(interval[0], '.3f')} to {number(interval[1], '.3f')}" if several else "-")
                     + f" | {number(c['p_patients_and_seeds_random'], '.3g')} | {number(c['p_crossed_bootstrap'], '.3g')} | "
                     f"{number(c['p'], '.3g')} | {number(c['p_holm'], '.3g')} |")
    return lines


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
    if len(t["arms"]["federated"]["per_seed"]) > 1:
        out += [""] + differences(t)
    out += ["", textwrap.fill(t["headline"], 110), ""]
text = "\n".join(out)
if len(sys.argv) < 4:
    print(text)
else:
    page = open(sys.argv[3]).read()
    mark = "study" if report["preset"] == "quick" else report["preset"]
    head, rest = page.split(f"<!-- {mark} -->")
    tail = rest.split(f"<!-- /{mark} -->")[1]
    open(sys.argv[3], "w").write(head + f"<!-- {mark} -->\n" + text + f"<!-- /{mark} -->" + tail)
