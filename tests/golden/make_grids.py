"""Writes tests/data/golden/grids.json: what nnunetv2 decides about pairs of images whose grids differ a little or much, as two channels
of a case (SimpleITKIO.read_images) and as image and label map (verify_dataset_integrity.check_cases): "same", "warning" or "error".
tests/unit/io/check_grids.c reads it. Run from the root with nnunetv2 and SimpleITK."""
import contextlib
import io
import json
import math

import numpy as np
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import check_cases
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

files = {}
sitk.ReadImage = lambda name: files[name]


def image(g):
    im = sitk.GetImageFromArray(np.zeros(g["size"][::-1], np.uint8))
    im.SetSpacing(g["spacing"])
    im.SetOrigin(g["origin"])
    im.SetDirection(g["direction"])
    return im


def turned(degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [c, -s, 0, s, c, 0, 0, 0, 1]


def decide(work):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            bad = work() is False
        except RuntimeError:
            bad = True
    return "error" if bad else "warning" if "WARNING" in text.getvalue().upper() else "same"


bases = [{"size": [5, 4, 3], "spacing": [1, 1, 1], "origin": [0, 0, 0], "direction": turned(0)},
         {"size": [5, 4, 3], "spacing": [0.5, 1.25, 3], "origin": [-10, 20, 300], "direction": turned(30)}]
steps = [0, 1e-12, 5e-9, 2e-8, 4e-6, 9e-6, 1.2e-5, 2e-5, 1e-4, 1e-3, 0.1, 7]
pairs = []
for base in bases:
    variants = [base]
    for axis in range(3):
        for d in steps[1:]:
            for what in ("spacing", "origin"):
                v = json.loads(json.dumps(base))
                v[what][axis] += d * (max(1, abs(v[what][axis])) if d < 1e-3 else 1)
                variants.append(v)
        v = json.loads(json.dumps(base))
        v["size"][axis] += 1
        variants.append(v)
    for degrees in [1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 1, 90, 180]:
        v = json.loads(json.dumps(base))
        angle = math.degrees(math.atan2(base["direction"][3], base["direction"][0]))
        v["direction"] = turned(angle + degrees)
        variants.append(v)
    for v in variants:
        files["a"], files["b"] = image(base), image(v)
        pairs.append({"a": base, "b": v, "channels": decide(lambda: SimpleITKIO().read_images(["a", "b"]) and None),
                      "label": decide(lambda: check_cases(["a"], "b", 1, SimpleITKIO))})
with open("tests/data/golden/grids.json", "w") as f:
    f.write("[" + ",\n ".join(json.dumps(p) for p in pairs) + "]\n")
