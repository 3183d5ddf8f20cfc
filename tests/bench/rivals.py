"""Times one case of one rival in a process of its own and prints {"seconds": median, "peak_bytes": peak of resident memory}.

    rivals.py torch|onnxruntime|openvino CASE fp32|bf16 [--threads 2] [--channels-last] [--seconds 10]

A case is a training step (networks.STEPS: forward, Dice and cross-entropy over all heads, backward, clipping, SGD) or an inference
(networks.INFERENCE). Two calls to warm up, then at least 3 and as many as fit into --seconds; a sliding window once, after two of its tiles. For PyTorch with malloc tuned, the caller sets
MALLOC_MMAP_MAX_=0 and MALLOC_TRIM_THRESHOLD_ (compare.py does).
"""
import argparse
import contextlib
import itertools
import json
import os
import resource
import statistics
import tempfile
import time

import networks


def measure(call, budget, warm=None):
    """warm: a short call to warm up with, for one that is long enough to be run once."""
    for _ in range(2):
        start = time.perf_counter()
        (warm or call)()
        if time.perf_counter() - start > budget:
            break
    taken, begin = [], time.perf_counter()
    while len(taken) < (1 if warm else 3) or time.perf_counter() - begin < budget:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": statistics.median(taken), "runs": len(taken), "peak_bytes": peak}))


def dice_ce(logits, label):
    import torch
    logits = logits.float()
    p = torch.softmax(logits, 1)[:, 1:]
    hot = torch.zeros(logits.shape, dtype=torch.bool).scatter_(1, label, 1)[:, 1:]
    axes = (2, 3, 4)
    dice = (2 * (p * hot).sum(axes) + 1e-5) / (p.sum(axes) + hot.sum(axes) + 1e-5)
    return torch.nn.functional.cross_entropy(logits, label[:, 0]) - dice.mean()


def tiles(volume, patch):
    """nnU-Net's tiles at step 0.5."""
    from math import ceil
    axes = []
    for n, t in zip(volume, patch):
        count = ceil((n - t) / (t * 0.5)) + 1
        axes.append([round((n - t) / max(count - 1, 1) * i) for i in range(count)])
    return list(itertools.product(*axes))


def sliding(run, volume, patch, classes):
    """A volume by Gaussian-weighted tiles and the mean of 8 mirrors; run: [1, 1, d, h, w] array -> [1, classes, d, h, w] array."""
    import numpy as np
    weight = np.ones(patch, np.float32)
    for a, n in enumerate(patch):
        axis = np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8)) ** 2).astype(np.float32)
        weight *= axis.reshape([-1 if i == a else 1 for i in range(3)])
    weight = np.maximum(weight * 10, weight[weight > 0].min())
    image = np.random.default_rng(0).standard_normal((1, 1, *volume), np.float32)
    flips = [f for k in range(4) for f in itertools.combinations((2, 3, 4), k)]

    def call():
        total, norm = np.zeros((classes, *volume), np.float32), np.zeros(volume, np.float32)
        for at in tiles(volume, patch):
            cut = tuple(slice(o, o + n) for o, n in zip(at, patch))
            x, y = image[(slice(None), slice(None), *cut)], 0
            for f in flips:
                y = y + np.flip(run(np.ascontiguousarray(np.flip(x, f))), f)
            total[(slice(None), *cut)] += y[0] * (weight / len(flips))
            norm[cut] += weight
        return (total / norm).argmax(0)

    return call


def run_torch(a):
    import torch
    torch.set_num_threads(a.threads)
    spec = {**networks.STEPS, **networks.INFERENCE}[a.case]
    layout = torch.channels_last_3d if a.channels_last else torch.contiguous_format
    half = lambda: torch.autocast("cpu", torch.bfloat16) if a.precision == "bf16" else contextlib.nullcontext()
    net = networks.build(spec).to(memory_format=layout)
    x = torch.randn(spec[1], 1, *spec[2]).contiguous(memory_format=layout)
    if a.case in networks.INFERENCE:
        net.eval()

        def forward(array):
            with torch.inference_mode(), half():
                return net(torch.from_numpy(array).contiguous(memory_format=layout)).float().numpy()
        if a.case in networks.VOLUME:
            return measure(sliding(forward, networks.VOLUME[a.case], spec[2], 3), a.seconds, lambda: forward(x.numpy()))
        array = x.numpy()
        return measure(lambda: forward(array), a.seconds)
    unet = spec[0] == "unet"
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.99 if unet else 0.9, nesterov=True, weight_decay=3e-5)
    with torch.no_grad():
        shapes = [o.shape[2:] for o in net(x)] if unet else []
    labels = [torch.randint(0, 3, (spec[1], 1, *s)) for s in shapes] or torch.randint(0, 11, (spec[1],))
    weights = [1 / 2 ** i for i in range(len(shapes))]
    if unet:
        weights[-1] = 0
        weights = [w / sum(weights) for w in weights]

    def step():
        optimizer.zero_grad(set_to_none=True)
        with half():
            out = net(x)
        loss = sum(w * dice_ce(o, t) for w, o, t in zip(weights, out, labels) if w) if unet else \
            torch.nn.functional.cross_entropy(out.float(), labels)
        loss.backward()
        if unet:
            torch.nn.utils.clip_grad_norm_(net.parameters(), 12)
        optimizer.step()
        loss.item()

    measure(step, a.seconds)


def export(case, folder):
    import torch
    spec = networks.INFERENCE[case]
    path = os.path.join(folder, "model.onnx")
    net = networks.build(spec).eval()
    torch.onnx.export(net, (torch.zeros(spec[1], 1, *spec[2]),), path, input_names=["x"], output_names=["y"], dynamo=False)
    return path, spec


def run_runtime(a):
    """ONNX Runtime and OpenVINO. The model is exported by a child, so that PyTorch's memory is not counted here."""
    import subprocess
    import sys
    import numpy as np
    spec = networks.INFERENCE[a.case]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", f"import rivals; rivals.export({a.case!r}, {folder!r})"], check=True,
                       cwd=os.path.dirname(os.path.abspath(__file__)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        path = os.path.join(folder, "model.onnx")
        if a.rival == "onnxruntime":
            import onnxruntime
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = a.threads
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            forward = lambda x: session.run(None, {"x": x})[0]
        else:
            import openvino
            core = openvino.Core()
            model = core.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": a.threads, "PERFORMANCE_HINT": "LATENCY",
                                                     "INFERENCE_PRECISION_HINT": "bf16" if a.precision == "bf16" else "f32"})
            forward = lambda x: model(x)[0]
        x = np.random.default_rng(0).standard_normal((spec[1], 1, *spec[2]), np.float32)
        if a.case in networks.VOLUME:
            return measure(sliding(forward, networks.VOLUME[a.case], spec[2], 3), a.seconds, lambda: forward(x))
        measure(lambda: forward(x), a.seconds)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rival", choices=["torch", "onnxruntime", "openvino"])
    p.add_argument("case")
    p.add_argument("precision", choices=["fp32", "bf16"])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--seconds", type=float, default=10)
    a = p.parse_args()
    run_torch(a) if a.rival == "torch" else run_runtime(a)


if __name__ == "__main__":
    main()
