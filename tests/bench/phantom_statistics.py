"""How the phantom stands beside reality: shapes of tumours and kidneys, noise and structure of T2-weighted images, and simple models.

    python tests/bench/phantom_statistics.py phantom NAME [--program ./nephron]   makes datasets with the program and measures them
    python tests/bench/phantom_statistics.py real --kits FOLDER --chaos FOLDER    measures public data: KiTS19's label maps, CHAOS' T2
    python tests/bench/phantom_statistics.py table COMMIT                         writes the table of docs/phantom.md
    python tests/bench/phantom_statistics.py pictures COMMIT [--program ./nephron] draws docs/phantom.png, a case of each hospital, and writes their
                                                                                  statistics below it (wants Pillow too)

Run from the project's folder after `make`; wants numpy, scipy, scikit-image, nibabel. NAME is what the column is called ("now", or a commit).
Figures are kept in tests/bench/phantom_statistics.json, so that the table can be written without measuring all again. FOLDER of KiTS19 has
case_*/segmentation.nii.gz (github.com/neheller/kits19, CC BY-NC-SA: measured, not shipped); that of CHAOS is a dataset of nnU-Net's with T2-SPIR
images and labels 2 and 3 for the kidneys.

What is measured. A label map (1 kidney, 2 tumour) is first brought to a grid not finer than 1.6 x 1.6 x 5.5 mm, by occupancy, so that CT and MRI are
seen alike. Of a tumour's largest part: sphericity and solidity (volume over the convex hull's) of its surface after linear resampling to 1.5 mm and a
Gaussian of 1.5 mm; short over long axis from second moments; the share of its surface that does not touch kidney; the diameter of a ball of its
volume. Of kidneys: volumes of the host (without the tumour) and of the other side. T2 within the healthy kidney as it is labelled, one voxel inside of its border:
noise is the robust deviation (median / 0.6745) of the image less its in-plane Gaussian (sigma one voxel), structure the deviation of that Gaussian, both
over the kidney's mean; the noise's correlation is that of neighbours after a Gaussian of two voxels is taken away (structure and filtered noise raise it). Then the
same with the sinus filled in, slice by slice: readers' kidneys often have it, the phantom's label has not. The phantom's small images (about 3.2 mm) are
compared with CHAOS at 2.5 mm.
"""
import argparse
import glob
import json
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ProcessPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
STORE = os.path.join(HERE, "phantom_statistics.json")
PAGE = os.path.join(HERE, "../../docs/phantom.md")
PICTURE = os.path.join(HERE, "../../docs/phantom.png")


def numerics():
    """The judge's libraries, which the table does not need."""
    global np, nib, ni, ConvexHull, marching_cubes, mesh_surface_area
    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ni
    from scipy.spatial import ConvexHull
    from skimage.measure import marching_cubes, mesh_surface_area


def read(path):
    v = nib.as_closest_canonical(nib.load(path))
    return np.asarray(v.dataobj), np.array(v.header.get_zooms()[:3], float)


def occupancy(mask, spacing, grid):
    sigma = [g / s / 12 ** .5 if g > 1.2 * s else 0 for g, s in zip(grid, spacing)]
    return ni.zoom(ni.gaussian_filter(mask.astype(np.float32), sigma), [s / g for s, g in zip(spacing, grid)], order=1, grid_mode=True,
                   mode="nearest")


def surface(part, spacing, step=1.5):
    """Volume, area and the hull's volume of a smooth surface around a part of a label map."""
    at = np.argwhere(part)
    low, high = at.min(0), at.max(0) + 1
    box = np.pad(part[tuple(slice(a, b) for a, b in zip(low, high))].astype(np.float32), 3)
    field = ni.gaussian_filter(ni.zoom(box, spacing / step, order=1, grid_mode=True, mode="grid-constant"), 1.5 / step)
    if field.max() <= .5:
        return None
    points, faces, _, _ = marching_cubes(field, .5, spacing=(step,) * 3)
    t = points[faces]
    volume = abs(np.einsum("ij,ij->i", t[:, 0], np.cross(t[:, 1], t[:, 2])).sum() / 6)
    return volume, mesh_surface_area(points, faces), ConvexHull(points).volume


def free_share(part, kidney, spacing):
    """Of a part's faces, by area: the share that does not look at kidney."""
    total = touching = 0.
    for axis in range(3):
        here, there = [slice(None)] * 3, [slice(None)] * 3
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        for a, b in ((tuple(here), tuple(there)), (tuple(there), tuple(here))):
            border = part[a] & ~part[b]
            total += border.sum() / spacing[axis]
            touching += (border & kidney[b]).sum() / spacing[axis]
    return 1 - touching / total


def shape(path):
    labels, spacing = read(path)
    at = np.argwhere(labels > 0)
    labels = labels[tuple(slice(max(a - 3, 0), b + 4) for a, b in zip(at.min(0), at.max(0)))]
    grid = np.maximum(spacing, (1.6, 1.6, 5.5))
    tumour = occupancy(labels == 2, spacing, grid) >= .5
    both = occupancy(labels >= 1, spacing, grid) >= .5
    spacing = spacing * labels.shape / tumour.shape
    ml = spacing.prod() / 1000
    parts, count = ni.label(tumour, np.ones((3, 3, 3)))
    if not count:
        return None
    sizes = ni.sum(tumour, parts, range(1, count + 1))
    part = parts == 1 + int(np.argmax(sizes))
    s = surface(part, spacing)
    if not s:
        return None
    r = {"parts": int((sizes * ml > .1).sum()), "ml": float(part.sum() * ml), "sphericity": np.pi ** (1 / 3) * (6 * s[0]) ** (2 / 3) / s[1],
         "solidity": s[0] / s[2]}
    axes = np.linalg.eigvalsh(np.cov((np.argwhere(part) * spacing).T) + np.diag(spacing ** 2 / 12))
    r["axes"] = (axes[0] / axes[2]) ** .5
    r["ball_mm"] = (6000 * r["ml"] / np.pi) ** (1 / 3)
    along = both.sum((1, 2))
    first, end = int(.3 * len(along)), int(.7 * len(along))
    middle = first + int(np.argmin(along[first:end]))
    kidney = both & ~tumour
    right = tumour[:middle].sum() > tumour[middle:].sum()
    side = slice(None, middle) if right else slice(middle, None)
    host = np.zeros_like(kidney)
    host[side] = kidney[side]
    r["host"], r["other"] = float(host.sum() * ml), float((kidney & ~host).sum() * ml)
    r["free"] = free_share(part, host, spacing)
    return {k: float(v) for k, v in r.items()}


def shapes(paths):
    with ProcessPoolExecutor(2) as pool:
        rows = [r for r in pool.map(shape, paths) if r]
    get = lambda k: np.array([r[k] for r in rows])
    whole, large = get("other") > 30, get("ml") > 100
    ratio = get("host") / np.maximum(get("other"), 1)
    return {"masks": len(rows), "sphericity": get("sphericity").mean(), "sphericity_sd": get("sphericity").std(), "solidity": get("solidity").mean(),
            "solidity_sd": get("solidity").std(), "axes": get("axes").mean(), "axes_sd": get("axes").std(), "free": get("free").mean(),
            "free_sd": get("free").std(), "host_ratio": np.median(ratio[whole]), "host_ratio_large": np.median(ratio[whole & large]),
            "host_ratio_large_n": int((whole & large).sum()), "other_ml": get("other")[whole].mean(), "other_ml_sd": get("other")[whole].std(),
            "many_parts": (get("parts") > 1).mean(), "over_7cm": (get("ball_mm") > 70).mean(), "ball_mm": np.median(get("ball_mm"))}


def filled(kidney):
    """With the sinus, slice by slice: readers' kidneys have it, the phantom's label has not."""
    disk = np.hypot(*np.ogrid[-4:5, -4:5]) <= 4
    return np.stack([ni.binary_fill_holes(ni.binary_closing(np.pad(kidney[:, :, z], 4), disk)[4:-4, 4:-4]) for z in range(kidney.shape[2])], 2)


def texture(image, kidney):
    inside = ni.binary_erosion(kidney, np.ones((3, 3, 1)))
    if inside.sum() < 50:
        return [np.nan] * 3
    mean = image[kidney].mean()
    smooth = ni.gaussian_filter(image, (1, 1, 0))
    rest = image - ni.gaussian_filter(image, (2, 2, 0))
    pairs = [(rest[:-1][p], rest[1:][p]) for p in [inside[:-1] & inside[1:]]] + [(rest[:, :-1][p], rest[:, 1:][p])
                                                                                for p in [inside[:, :-1] & inside[:, 1:]]]
    a, b = (np.concatenate([p[k] for p in pairs]) for k in (0, 1))
    return [np.median(np.abs((image - smooth)[inside])) / .6745 / mean, smooth[inside].std() / mean, np.corrcoef(a, b)[0, 1]]


def t2(cases):
    """cases: image, label map, values of healthy kidneys (None: the side without the tumour)."""
    rows = []
    for image, label, values in cases:
        a, l = read(image)[0].astype(float), read(label)[0]
        if values is None:
            half = l.shape[0] // 2
            sides = [(l == 1) & ((np.arange(l.shape[0]) < half) == left)[:, None, None] for left in (True, False)]
            masks = [sides[0] if (l[:half] == 2).sum() < (l[half:] == 2).sum() else sides[1]]
        else:
            masks = [l == v for v in values]
        rows += [texture(a, m) + texture(a, filled(m)) for m in masks]
    names = "t2_noise", "t2_structure", "t2_correlation"
    return {"kidneys": len(rows), **dict(zip(names + tuple(n + "_filled" for n in names), np.nanmedian(np.array(rows), 0)))}


def run(*command):
    """Processor seconds."""
    begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begin


def made(a, name, *options):
    """A folder that the program writes; one under --made is taken as it is."""
    folder = os.path.join(a.made or a.work, name)
    if not os.path.exists(os.path.join(folder, "dataset.json")):
        run(a.program, "phantom", folder, "--quiet", *options)
    return folder


def measure_phantom(a):
    out = {}
    if "shapes" in a.parts:
        medium = made(a, "medium", "--cases", str(a.cases), "--with-kidney", "--size", "medium")
        out.update(shapes(sorted(glob.glob(medium + "/labelsTr/*.nii.gz"))))
    if "t2" in a.parts:
        images = sorted(glob.glob(made(a, "small", "--cases", "100", "--with-kidney") + "/imagesTr/*_0000.nii.gz"))
        out.update(t2([(i, i.replace("imagesTr", "labelsTr").replace("_0000.nii", ".nii"), None) for i in images]))
    for d in ("0", "1") if "models" in a.parts else ():
        tiny = made(a, "tiny" + d, "--cases", "700", "--size", "tiny", "--difficulty", d)
        out["difficulty_" + d] = json.loads(subprocess.run([a.baselines, tiny], check=True, capture_output=True, text=True).stdout)
    for size, cases in (("tiny", 60), ("small", 10), ("medium", 4)) if "times" in a.parts else ():
        folder = os.path.join(a.work, "time_" + size)
        out.setdefault("seconds_a_case", {})[size] = run(a.program, "phantom", folder, "--cases", str(cases), "--size", size, "--threads", "1", "--quiet") / cases
    return out


def measure_real(a):
    out = shapes(sorted(glob.glob(a.kits + "/case_*/segmentation.nii.gz")))
    images = sorted(glob.glob(a.chaos + "/imagesTr/*_0000.nii.gz"))
    out.update(t2([(i, i.replace("imagesTr", "labelsTr").replace("_0000.nii", ".nii"), (2, 3)) for i in images]))
    return out


ROWS = [  # title, target as the work order or a source states it, its source, how a column prints it
    ("sphericity, mean ± SD", ".90 ± .045", "K", lambda c: f"{c['sphericity']:.3f} ± {c['sphericity_sd']:.3f}"),
    ("short over long axis, mean ± SD", ".74", "K", lambda c: f"{c['axes']:.2f} ± {c['axes_sd']:.2f}"),
    ("solidity, mean ± SD", ".915", "K", lambda c: f"{c['solidity']:.3f} ± {c['solidity_sd']:.3f}"),
    ("surface that does not touch kidney", ".52 to .55", "K", lambda c: f"{c['free']:.2f} ± {c['free_sd']:.2f}"),
    ("host over other kidney, median", ".97", "K", lambda c: f"{c['host_ratio']:.2f}"),
    ("the same, tumours above 100 ml", ".85", "K", lambda c: f"{c['host_ratio_large']:.2f} (n = {c['host_ratio_large_n']})"),
    ("other kidney, ml, mean ± SD", "160 to 210", "K, Cheong 2007", lambda c: f"{c['other_ml']:.0f} ± {c['other_ml_sd']:.0f}"),
    ("more than one part, %", "1.4", "K", lambda c: f"{100 * c['many_parts']:.1f}"),
    ("ball's diameter, mm, median", "", "K", lambda c: f"{c['ball_mm']:.0f}"),
    ("larger than 7 cm, %", "18.6", "K", lambda c: f"{100 * c['over_7cm']:.1f}"),
    ("T2 noise in the kidney, over its mean", ".050", "C", lambda c: f"{c['t2_noise']:.3f}"),
    ("T2 structure in the kidney, over its mean", ".164", "C", lambda c: f"{c['t2_structure']:.3f}"),
    ("correlation of neighbours' residuals", "", "C", lambda c: f"{c['t2_correlation']:.2f}"),
    ("with the sinus filled in: noise, structure, correlation", "", "C",
     lambda c: f"{c['t2_noise_filled']:.3f}, {c['t2_structure_filled']:.3f}, {c['t2_correlation_filled']:.2f}"),
]
MODELS = [
    ("volume", ".65", "size of the reference mask"),
    ("clinical", "", "volume, age and sex, logistic regression"),
    ("trees", ".70 to .80", "shape, first-order features, age and sex, boosted trees"),
    ("trees_image", "", "first-order features alone, boosted trees"),
    ("hospital", "", "shortcut: case mix of the hospital, given its name"),
    ("background", "", "shortcut: intensities without the tumour, boosted trees"),
]


def write_table(a):
    store = json.load(open(STORE))
    columns = [c for c in ("real", "eceb6ff", "now") if c in store]
    head = {"real": "real, measured here", "eceb6ff": "before (eceb6ff)", "now": f"now ({a.name})"}
    text = ["| | target | source | " + " | ".join(head[c] for c in columns) + " |", "|" + "---|" * (3 + len(columns))]
    for title, target, source, show in ROWS:
        text.append(f"| {title} | {target} | {source} | " + " | ".join(show(store[c]) for c in columns) + " |")
    masks = sorted({store[c]["masks"] for c in columns if c != "real"})
    text += ["", *textwrap.wrap(
        f"K: {store['real']['masks']} label maps of KiTS19 (CT). C: {store['real']['kidneys']} kidneys of CHAOS "
        "(T2-SPIR). Phantom: " + " and ".join(map(str, masks)) + " cases of the medium size, difficulty 1, seed 1.", 110), ""]
    text += ["| area under the ROC curve, malignant against benign | target | " + " | ".join(
        f"{head[c]}, difficulty {d}" for c in columns[1:] for d in "01") + " |", "|" + "---|" * (2 + 2 * len(columns[1:]))]
    for key, target, title in MODELS:
        text.append(f"| {title} | {target} | " + " | ".join(f"{store[c]['difficulty_' + d][key]:.3f}" for c in columns[1:] for d in "01") + " |")
    text.append("| hospitals named rightly from the background (largest: "
                f"{store[columns[-1]]['difficulty_1']['largest_hospital']:.2f}) | | "
                + " | ".join(f"{store[c]['difficulty_' + d]['hospital_accuracy']:.2f}" for c in columns[1:] for d in "01") + " |")
    text += ["", *textwrap.wrap(
        "Out-of-fold areas of 700 tiny cases, means of five splits into ten (`tests/bench/phantom_baselines.c`: "
        "the study's own features and models); standard error about 0.02.", 110), ""]
    if "seconds_a_case" in store[columns[-1]]:
        sizes = list(store[columns[-1]]["seconds_a_case"])
        text += ["| processor seconds a case | " + " | ".join(sizes) + " |", "|---|" + "---|" * len(sizes)]
        for c in columns[1:]:
            text.append(f"| {head[c]} | " + " | ".join(f"{store[c]['seconds_a_case'][s]:.3f}" for s in sizes) + " |")
    write_page("statistics", text)


def write_page(mark, lines):
    begin, rest = open(PAGE).read().split(f"<!-- {mark} -->\n")
    end = rest.split(f"<!-- /{mark} -->")[1]
    open(PAGE, "w").write(begin + f"<!-- {mark} -->\n" + "\n".join(lines) + f"\n<!-- /{mark} -->" + end)


def gray(path, z):
    """A slice seen from the feet, the patient's right on the left: the darkest and brightest in two hundred are black and white."""
    a = read(path)[0][:, :, z].T[::-1, ::-1].astype(float)
    low, high = np.percentile(a, (.5, 99.5))
    return (np.clip((a - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def pictures(a):
    from PIL import Image
    options = "--cases", "14", "--with-kidney", "--threads", "2"
    shown, measured = made(a, "pictures", *options, "--size", "medium"), made(a, "measured", *options)
    first, rows = {}, [line.split(",") for line in open(shown + "/clinical.csv").read().split("\n")[1:] if line]
    for r in rows:
        first.setdefault(r[1], r[0])
    names, columns, figures = sorted(first), [], []
    for h in names:
        label = read(f"{shown}/labelsTr/{first[h]}.nii.gz")[0]
        z = int((label == 2).sum((0, 1)).argmax())
        tiles = [Image.fromarray(gray(f"{shown}/imagesTr/{first[h]}_000{c}.nii.gz", z)).resize((224, 224), Image.BICUBIC) for c in (0, 1)]
        columns.append(np.concatenate([np.asarray(t)[28:196] for t in tiles]))  # nothing but air in front and behind
        figures.append(t2([(f"{measured}/imagesTr/{first[h]}_0000.nii.gz", f"{measured}/labelsTr/{first[h]}.nii.gz", None)]))
    Image.fromarray(np.concatenate(columns, 1)).save(PICTURE, optimize=True)
    figures.append(json.load(open(STORE))["real"])
    text = [f"| T2, healthy kidney (commit {a.name}) | " + " | ".join(names) + " | CHAOS, median |", "|---|" + "---|" * len(figures)]
    for key, title in ("t2_noise", "noise over mean"), ("t2_structure", "structure over mean"), ("t2_correlation", "correlation of neighbours"):
        text.append(f"| {title} | " + " | ".join(f"{f[key]:.3f}" for f in figures) + " |")
    write_page("pictures", text)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("phantom", "real", "table", "pictures"))
    p.add_argument("name", nargs="?", default="real")
    p.add_argument("--program", default="./nephron")
    p.add_argument("--baselines", default="build/phantom_baselines", help="tests/bench/phantom_baselines.c, built")
    p.add_argument("--made", help="folder of datasets made before: medium, small, tiny0, tiny1")
    p.add_argument("--cases", type=int, default=300)
    p.add_argument("--parts", type=lambda text: text.split(","), default=["shapes", "t2", "models"],
                   help="what is measured anew, of shapes,t2,models,times; times only where the cores are free")
    p.add_argument("--kits")
    p.add_argument("--chaos")
    a = p.parse_args()
    if a.what == "table":
        return write_table(a)
    numerics()
    with tempfile.TemporaryDirectory() as a.work:
        if a.what == "pictures":
            return pictures(a)
        result = measure_real(a) if a.what == "real" else measure_phantom(a)
    store = json.load(open(STORE)) if os.path.exists(STORE) else {}
    store[a.name] = {**store.get(a.name, {}), **result}
    json.dump(store, open(STORE, "w"), indent=1, default=float)
    print(json.dumps(result, indent=1, default=float))


if __name__ == "__main__":
    sys.exit(main())
