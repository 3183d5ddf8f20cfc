"""The tables of README.md, between the markers <!-- speed --> and <!-- study --> and their ends; of a study of another preset than quick between
markers of its name.

    python3 tests/bench/readme_tables.py speed COMMIT MACHINE README.md TABLE...   (what compare.py steps and inference print)
    python3 tests/bench/readme_tables.py study COMMIT README.md report.json        (of `nephron study`)
    python3 tests/bench/readme_tables.py page TABLE...                             (prints the table of docs/speed.md)
"""
import json
import sys

WORK = {"unet_hippo_b2": "training step, U-Net 32-256, 40x56x40, batch 2",
        "unet7_20x256x224_b2": "training step, the anisotropic plan for 20x256x224, batch 2",
        "infer_unet5_128": "forward pass, U-Net 32-320, 128x128x128"}
PAGE = {"unet_hippo_b2": "training step, `unet_hippo_b2` (U-Net 32 to 256, 40x56x40, batch 2)",
        "unet5_64": "training step, `unet5_64` (U-Net 32 to 320, 64x64x64, batch 2)",
        "unet7_20x256x224_b2": "training step, `unet7_20x256x224_b2` (the anisotropic plan)",
        "resnet18_28": "training step, `resnet18_28` (ResNet-18, 28x28x28, batch 32)",
        "infer_unet5_128": "forward pass, `infer_unet5_128` (U-Net 32 to 320, 128x128x128)",
        "infer_resnet18_28_b32": "forward pass, `infer_resnet18_28_b32` (ResNet-18, 28x28x28, batch 32)"}
RIVALS = {"torch": "PyTorch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


def rows(path):
    """Cells of a Markdown table's rows, by the names of its header."""
    header = None
    for line in open(path):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if not line.startswith("|") or set(line) <= set("|-: \n"):
            continue
        if cells[0] == "case":
            header = cells
            header[header.index("peak MB")] = "our MB"  # the rival's has the same name
        elif header:
            yield dict(zip(header, cells))


def speed(commit, machine, tables):
    groups = {}
    for path in tables:
        for r in rows(path):
            if r["case"] in WORK:
                groups.setdefault((r["case"], r["precision"]), []).append(r)
    if not groups:
        sys.exit("readme_tables.py: no case of README in " + ", ".join(tables))
    out = [f"| {machine}, commit {commit} ([speed](docs/speed.md)) | nephron | rivals | ratio |", "|---|---|---|---|"]
    for (case, precision), found in sorted(groups.items(), key=lambda g: (list(WORK).index(g[0][0]), g[0][1] != "fp32")):
        wide = {r["rival"]: r for r in groups.get((case, "fp32"), [])}
        cells, ratios = [], []
        for r in found:
            name, seconds, other = RIVALS.get(r["rival"].split(" ")[0], r["rival"]), float(r["rival s"]), ""
            # Where a rival is faster in fp32, on a processor without bf16, that is what a user would take.
            if r["rival"] in wide and float(wide[r["rival"]]["rival s"]) < seconds:
                other = f" in fp32 ({seconds} s in bf16)"
                r = wide[r["rival"]]
                seconds = float(r["rival s"])
            cells.append(f"{name} {seconds} s{other}, {r['peak MB']} MB")
            ratios.append(f"{seconds / float(found[0]['nephron s']):.1f}")
        ours = f"{found[0]['nephron s']} s, {found[0]['our MB']} MB"
        out.append(f"| {WORK[case]}, {precision} | {ours} | {'; '.join(cells)} | {', '.join(ratios)} |")
    return out


def page(tables):
    """Every case and precision, the fastest rival first."""
    found = {}
    for path in tables:
        for r in rows(path):
            if r["case"] in PAGE:
                found.setdefault((list(PAGE).index(r["case"]), r["precision"] != "fp32"), []).append(r)
    out = ["| work, two threads | precision | nephron s | MB | rival s | MB | ratio |",
           "| --- | --- | --- | --- | --- | --- | --- |"]
    last = None
    for (work, _), all_rivals in sorted(found.items()):
        rivals = sorted(all_rivals, key=lambda r: float(r["rival s"]))
        ours = rivals[0]
        name = " " if work == last else f" {PAGE[ours['case']]} "
        out.append(f"|{name}| {ours['precision']} | {ours['nephron s']} | {ours['our MB']} | "
                   + ", ".join(f"{RIVALS[r['rival'].split(' ')[0]]} {r['rival s']}" for r in rivals) + " | "
                   + ", ".join(r["peak MB"] for r in rivals) + " | "
                   + ", ".join(f"{float(r['rival s']) / float(ours['nephron s']):.1f}" for r in rivals) + " |")
        last = work
    return out


def study(commit, path):
    report = json.load(open(path))
    out = [f"| `{report['command']}`, commit {commit} | federated | centralised | alone, each institution | best baseline |",
           "|---|---|---|---|---|"]
    for task, value, name in (("segmentation", "dice_mean", "Dice"), ("classification", "auc", "AUC")):
        if task not in report:
            continue
        t = report[task]
        arms = t["arms"]
        alone = [v for v in arms.get("local", {}).get(value, []) if v is not None]
        seeds = len(arms["federated"]["per_seed"])
        best = max(t.get("baselines", []), key=lambda b: b["auc"], default=None)
        out.append(f"| {name}, {t['test_cases']} test cases, {seeds} seed{'s' if seeds > 1 else ''} | "
                   f"{arms['federated'][value]:.2f} | {arms['centralised'][value]:.2f} | "
                   + (f"{min(alone):.2f} to {max(alone):.2f} | " if alone else "| ") + (f"{best['auc']:.2f}, {best['name']} |" if best else "|"))
    return out


def replace(page, name, lines):
    text = open(page).read()
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f"{page}: wants {begin} and {end} once each")
    head, tail = text.split(begin)[0], text.split(end)[1]
    open(page, "w").write(head + begin + "\n" + "\n".join(lines) + "\n" + end + tail)


def main():
    what, commit = sys.argv[1:3]
    if what == "speed":
        replace(sys.argv[4], what, speed(commit, sys.argv[3], sys.argv[5:]))
    elif what == "page":
        print("\n".join(page(sys.argv[2:])))
    elif what == "study":
        preset = json.load(open(sys.argv[4]))["preset"]
        replace(sys.argv[3], what if preset == "quick" else preset, study(commit, sys.argv[4]))
    else:
        sys.exit(__doc__)


main()
