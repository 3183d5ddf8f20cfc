"""nephron beside its rivals on the same work, in turn, in one session; prints the ratio tables of docs/speed.md.

    python tests/bench/compare.py layers    [--onednn PROGRAM]        against PyTorch and oneDNN's convolutions
    python tests/bench/compare.py steps     [--onednn PROGRAM]        whole training steps against PyTorch, and against oneDNN's convolutions alone
    python tests/bench/compare.py inference                           against PyTorch, ONNX Runtime and OpenVINO

Run from the project's folder after `make`. Wants torch (2.13 here), onnx, onnxruntime and openvino; PROGRAM is onednn_layers.cpp, built. The machine
should do nothing else. Every measurement is a process of its own with the same number of threads, which warms up and reports a median; each of --rounds rounds
measures nephron and then each rival, and the table has the median over the rounds of the ratio within a round (rival's seconds / ours).
PyTorch is run in its forms (default and channels_last_3d; malloc as installed and told to keep large blocks) in the first round, and in its fastest
form afterwards: that one counts.
"""
import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1000000000000"}
FORMS = {"default": ([], {}), "kept blocks": ([], KEEP), "channels last": (["--channels-last"], {}),
         "channels last, kept blocks": (["--channels-last"], KEEP)}


def nephron(a, what, case, precision):
    """Rows of the CSV of `nephron bench WHAT` for one case."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.csv")
        subprocess.run([a.nephron, "bench", what, "--case", case, "--precision", precision, "--threads", str(a.threads), "--csv", path],
                       check=True, stdout=subprocess.DEVNULL)
        with open(path) as f:
            return [r for r in csv.DictReader(f) if r["name"] == case and r["precision"] == precision]


def rival(a, name, case, precision, form="default"):
    extra, environment = FORMS[form]
    done = subprocess.run([sys.executable, os.path.join(HERE, "rivals.py"), name, case, precision, "--threads", str(a.threads), "--seconds",
                           str(a.seconds), *extra], capture_output=True, text=True,
                          env=dict(os.environ, OMP_NUM_THREADS=str(a.threads), **environment))
    if done.returncode:
        print(f"{name} {case} {precision} {form}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def onednn(a, lines):
    """Seconds by (name, pass)."""
    done = subprocess.run([a.onednn], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True,
                          env=dict(os.environ, OMP_NUM_THREADS=str(a.threads)))
    rows = [line.split() for line in done.stdout.splitlines()]
    return {(r[0], r[2]): float(r[3]) for r in rows if len(r) >= 4 and r[1] in ("fp32", "bf16")}


def onednn_line(name, precision, which, layer):
    n, c, k, size, kernel, stride, transposed = layer
    three = lambda v: " ".join(map(str, v if isinstance(v, tuple) else (v,) * 3))
    return f"{name} {precision} {which} {n} {c} {k} {three(size)} {three(kernel)} {three(stride)} {int(transposed)}"


def show(*columns):
    print("| " + " | ".join(columns) + " |", flush=True)


def header(*columns):
    show(*columns)
    show(*["---"] * len(columns))


def middle(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else math.nan


def compare_layers(a):
    import networks
    header("layer", "precision", "pass", "nephron GFLOP/s", "of peak", "oneDNN GFLOP/s", "ratio")
    means = {}
    for precision in a.precisions:
        for name, layer in networks.LAYERS.items():
            if a.cases and name not in a.cases:
                continue
            ours, theirs = {}, {}
            for _ in range(a.rounds):
                for r in nephron(a, "kernels", name, precision):
                    ours.setdefault(r["pass"], []).append(r)
                lines = [onednn_line(name, precision, p, layer) for p in ("fwd", "bwd_d", "bwd_w")]
                for (_, p), seconds in onednn(a, lines).items():
                    theirs.setdefault(p, []).append(seconds)
            for p, rows in ours.items():
                ratio = middle([t / float(r["seconds"]) for r, t in zip(rows, theirs[p])])
                flops = float(rows[0]["gflops"]) * float(rows[0]["seconds"])
                gflops = flops / middle([float(r["seconds"]) for r in rows])
                means.setdefault((precision, p), []).append((name, ratio))
                show(name, precision, p, f"{gflops:.0f}", f"{100 * gflops / float(rows[0]['peak_gflops']):.0f} %", f"{flops / middle(theirs[p]):.0f}",
                     f"{ratio:.2f}")
    for (precision, p), rows in means.items():
        design = [r for name, r in rows if name in DESIGN and r == r]
        for what, values in (("all layers", [r for _, r in rows if r == r]), ("the six of the goal", design)):
            if values:
                show("geometric mean, " + what, precision, p, "", "", "", f"{math.exp(statistics.fmean(map(math.log, values))):.2f}")


DESIGN = ("c1_32_40x56x40_b2", "c32_32_40x56x40_b2", "c64_64_20x28x20_b2", "c128_128_10x14x10_b2", "c32_64_s2_40x56x40_b2", "t64_32_20x28x20_b2")


def compare_networks(a, cases, what, rivals):
    header("case", "precision", "nephron s", "peak MB", "rival", "rival s", "peak MB", "ratio", "memory ratio")
    for case in cases:
        if a.cases and case not in a.cases:
            continue
        for precision in a.precisions:
            ours, theirs, form = [], {}, {}
            for round_ in range(a.rounds):
                ours.append(nephron(a, what, case, precision)[0])
                for name in rivals:
                    if name == "torch" and round_ == 0:
                        tried = {f: rival(a, name, case, precision, f) for f in a.forms}
                        tried = {f: r for f, r in tried.items() if r}
                        if tried:
                            form[name] = min(tried, key=lambda f: tried[f]["seconds"])
                            theirs[name] = [tried[form[name]]]
                            print("  " + ", ".join(f"{f} {r['seconds']:.3f} s" for f, r in tried.items()), file=sys.stderr)
                    elif name not in theirs or theirs[name][-1]:
                        theirs.setdefault(name, []).append(rival(a, name, case, precision, form.get(name, "default")))
            seconds = [float(r["seconds"]) for r in ours]
            peak = float(ours[0]["peak_bytes"])
            for name, rows in theirs.items():
                rows = [r for r in rows if r]
                if not rows:
                    continue
                label = name + (f" ({form[name]})" if name in form else "")
                show(case, precision, f"{middle(seconds):.3f}", f"{peak / 1e6:.0f}", label, f"{middle([r['seconds'] for r in rows]):.3f}",
                     f"{rows[0]['peak_bytes'] / 1e6:.0f}", f"{middle([r['seconds'] / s for r, s in zip(rows, seconds)]):.2f}",
                     f"{rows[0]['peak_bytes'] / peak:.2f}")
            if a.onednn and what == "step":
                total = conv_only(a, cases[case], precision)
                show(case, precision, f"{middle(seconds):.3f}", f"{peak / 1e6:.0f}", "oneDNN, convolutions alone", f"{total:.3f}", "",
                     f"{total / middle(seconds):.2f}", "")


def conv_only(a, spec, precision):
    """The sum over the network's convolutions of oneDNN's three passes; the first layer has no gradient of its input."""
    import networks
    layers = networks.convolutions(spec)
    if spec[0] == "resnet":
        layers = [(spec[1], *layer[1:]) for layer in layers]
    lines = [onednn_line(f"l{i}", precision, p, layer) for i, layer in enumerate(layers) for p in ("fwd", "bwd_d", "bwd_w") if i or p != "bwd_d"]
    return sum(onednn(a, lines).values())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["layers", "steps", "inference"])
    p.add_argument("--cases", type=lambda s: s.split(","))
    p.add_argument("--precisions", type=lambda s: s.split(","), default=["fp32", "bf16"])
    p.add_argument("--rivals", type=lambda s: s.split(","))
    p.add_argument("--forms", type=lambda s: s.split(","), default=list(FORMS), help="of PyTorch that are tried, by their names above (all)")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=10, help="of one measurement of a rival")
    p.add_argument("--nephron", default="./nephron")
    p.add_argument("--onednn", help="the built onednn_layers.cpp")
    a = p.parse_args()
    sys.path.insert(0, HERE)
    import networks
    if a.what == "layers":
        if not a.onednn:
            p.error("layers wants --onednn")
        compare_layers(a)
    elif a.what == "steps":
        compare_networks(a, networks.STEPS, "step", a.rivals or ["torch"])
    else:
        compare_networks(a, networks.INFERENCE, "inference", a.rivals or ["torch", "onnxruntime", "openvino"])


if __name__ == "__main__":
    main()
