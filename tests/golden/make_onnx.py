"""Verifies the files that tests/unit/nn/check_onnx.c makes with ONNX's checker and onnxruntime, and writes the golden one.

Run from the root of the repository after `make nephron tests/unit/nn/check_onnx`, with numpy, onnx, onnxruntime, torch and nnunetv2
installed:
    python tests/golden/make_onnx.py
Every file passes onnx.checker (full_check); onnxruntime's logits agree with ours to 1e-4 of their range, for the recorded size and batch, and
the probabilities of a classifier are their softmax. tests/data/golden/nnunet_model.onnx is written only when onnxruntime's logits agree
with PyTorch's, of nnU-Net's own network with the checkpoint's weights, at two sizes and batches.
"""
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

GOLDEN = Path("tests/data/golden")


def run(path, image):
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"image": image})))


def agree(name, got, want):
    range_, difference = float(np.ptp(want)), float(np.abs(got - want).max())
    assert got.shape == want.shape and difference < 1e-4 * range_, (name, got.shape, want.shape, difference, range_)
    print(f"{name}: logits {list(want.shape)}, range {range_:.3g}, largest difference {difference:.2g} ({difference / range_:.1g} of the range)")


def networks(folder):
    subprocess.run(["tests/unit/nn/check_onnx", folder], stdout=subprocess.DEVNULL)  # its golden check fails until the file below is there
    files = sorted(Path(folder).glob("*.npz"))
    assert len(files) == 10
    for path in files:
        ours = np.load(path)
        image, logits = (np.ascontiguousarray(np.moveaxis(ours[k], -1, 1)) for k in ("image", "logits"))
        out = run(path.with_suffix(".onnx"), image)
        if "probabilities" in out:
            logits = logits.reshape(logits.shape[:2])
            assert np.abs(out["probabilities"] - torch.softmax(torch.from_numpy(logits), 1).numpy()).max() < 1e-5
        agree(path.stem, out["logits"], logits)


def model_folder(folder):
    model, out = GOLDEN / "nnunet_model", Path(folder) / "nnunet_model.onnx"
    subprocess.run(["./nephron", "convert", str(model), str(out)], check=True)
    a = json.loads((model / "plans.json").read_text())["configurations"]["3d_small"]["architecture"]
    network = get_network_from_plans(a["network_class_name"], a["arch_kwargs"], a["_kw_requires_import"], 1, 3, deep_supervision=False)
    checkpoint = torch.load(model / "fold_0" / "checkpoint_final.pth", map_location="cpu", weights_only=False)
    network.load_state_dict(checkpoint["network_weights"])
    network.eval()
    for shape in ((1, 1, 24, 32, 24), (3, 1, 10, 20, 36)):
        image = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        with torch.no_grad():
            agree("nnunet_model", run(out, image)["logits"], network(torch.from_numpy(image)).numpy())
    (GOLDEN / "nnunet_model.onnx").write_bytes(out.read_bytes())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        networks(folder)
        model_folder(folder)
