"""Every kind of plan, trained by nephron and predicted by nephron and nnunetv2 from the same weights: the table of docs/results.md.

    python tests/bench/nnunet_pairs.py DATASET WORK [--with COMMAND]

DATASET is nnU-Net's (CHAOS T2: 15 cases); WORK receives runs, model folders and predictions. Training is short and the patches are small:
it is about the equality of inference, not about quality. COMMAND runs before each of nephron's predictions (for instance "nice -n -5").
Needs nnunetv2 2.8.1 and torch; nnunetv2 predicts in a process of the row, without its start and its workers. nephron's memory is its
proportional set size, looked at every 50 ms; nnunetv2's the peak of that process, which has read the weights and nothing else of size."""
import argparse
import contextlib
import glob
import inspect
import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import time

import nibabel
import numpy as np
import torch
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from safetensors.torch import load_file

NEPHRON = os.environ.get("NEPHRON", os.path.abspath("nephron"))
SMALL = ["--base-features", "8", "--batch", "2", "--optimizer", "adamw", "--lr", "0.003", "--augment", "0", "--epochs", "1",
         "--iterations", "60", "--validation-batches", "0", "--no-validation", "--quiet"]
# name, configuration, planner, patch
KINDS = [("U-Net, 3d_fullres", "3d_fullres", "default", "16,64,64"), ("U-Net, 2d", "2d", "default", "1,64,64"),
         ("ResEnc M, 3d_fullres", "3d_fullres", "resenc_m", "16,64,64"), ("ResEnc L, 3d_fullres", "3d_fullres", "resenc_l", "24,96,96"),
         ("ResEnc M, 2d", "2d", "resenc_m", "1,96,96"), ("U-Net, 3d_lowres", "3d_lowres", "default", "16,64,64"),
         ("U-Net, 3d_cascade_fullres", "3d_cascade_fullres", "default", "16,64,64")]


def tree_memory(root):
    """Proportional set sizes of a process and its descendants, in bytes."""
    parent = {}
    for name in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(name) as f:
                text = f.read()
            parent[int(text.split()[0])] = int(text.rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    total, members = 0, {root}
    while True:
        more = {p for p, q in parent.items() if q in members} - members
        if not more:
            break
        members |= more
    for p in members:
        try:
            with open("/proc/%d/smaps_rollup" % p) as f:
                total += sum(1024 * int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def measured(command, log):
    start, peak = time.time(), 0
    with open(log, "w") as f:
        p = subprocess.Popen(command, stdout=f, stderr=subprocess.STDOUT)
        while p.poll() is None:
            peak = max(peak, tree_memory(p.pid))
            time.sleep(0.05)
    if p.returncode:
        sys.exit("%s\nfailed, see %s" % (" ".join(command), log))
    return time.time() - start, peak


def model_folder(run, configuration, folder):
    """nnU-Net's model folder with the weights of a run."""
    os.makedirs(folder + "/fold_0", exist_ok=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copy(os.path.join(run, name), folder)
    with open(run + "/plans.json") as f:
        plans = json.load(f)
    with open(run + "/dataset.json") as f:
        dataset = json.load(f)
    manager = PlansManager(plans)
    c = manager.get_configuration(configuration)
    net = nnUNetTrainer.build_network_architecture(
        manager, c, determine_num_input_channels(manager, c, dataset), manager.get_label_manager(dataset).num_segmentation_heads, False)
    ours = load_file(run + "/fold_0/checkpoint_final.safetensors")
    ours = {k: v for k, v in ours.items() if k.startswith(("encoder.", "decoder."))}
    if len(c.patch_size) == 2:  # kept with a depth of 1
        ours = {k: v.squeeze(2) if v.dim() == 5 else v for k, v in ours.items()}
    result = net.load_state_dict(ours, strict=False)
    if result.unexpected_keys or any(".all_modules." not in k and not k.startswith("decoder.encoder.") for k in result.missing_keys):
        sys.exit("%s: %s" % (run, result))
    flat = len(c.patch_size) == 2
    torch.save({"network_weights": net.state_dict(), "trainer_name": "nnUNetTrainer",
                "init_args": {"configuration": configuration, "fold": 0},
                "inference_allowed_mirroring_axes": (0, 1) if flat else (0, 1, 2)}, folder + "/fold_0/checkpoint_final.pth")


def theirs_of(folder, images, out, mirror, previous):
    """nnunetv2 in this process, one case after the other, so that its start and its workers do not count."""
    start = time.time()
    p = nnUNetPredictor(verbose=False, use_mirroring=mirror, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False)
    p.initialize_from_trained_model_folder(folder, (0,), "checkpoint_final.pth")
    os.makedirs(out, exist_ok=True)
    names = sorted(os.listdir(images))
    p.predict_from_files_sequential([[os.path.join(images, n)] for n in names],
                                    [os.path.join(out, n.replace("_0000.nii.gz", "")) for n in names], overwrite=True,
                                    folder_with_segs_from_prev_stage=previous)
    return time.time() - start, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def sum_in_single():
    """nnunetv2 adds windows, and their Gaussian weights, in half precision: here in single, all else as it is."""
    name = "_internal_predict_sliding_window_return_logits"
    source = textwrap.dedent(inspect.getsource(getattr(nnUNetPredictor, name)))
    halves = source.count("torch.half")
    source = source.replace("torch.half", "torch.float32").replace("value_scaling_factor=10,",
                                                                   "value_scaling_factor=10, dtype=torch.float32,")
    space = dict(vars(predict_from_raw_data))
    exec(source, space)
    if halves != 2 or "dtype=torch.float32,\n" not in source:
        sys.exit("nnunetv2 sums windows in another way than 2.8.1")
    setattr(nnUNetPredictor, name, space[name])


def compare(ours, theirs):
    dice, differ, voxels, foreground = [], 0, 0, 0
    for name in sorted(glob.glob(theirs + "/*.nii.gz")):
        a = np.asarray(nibabel.load(os.path.join(ours, os.path.basename(name))).dataobj)
        b = np.asarray(nibabel.load(name).dataobj)
        differ += int((a != b).sum())
        voxels += a.size
        foreground += int((b > 0).sum())
        for k in range(1, int(max(a.max(), b.max())) + 1):
            either = int((a == k).sum() + (b == k).sum())
            if either:
                dice.append(2 * int(((a == k) & (b == k)).sum()) / either)
    return np.mean(dice), np.min(dice), differ, voxels, foreground


def main():
    p = argparse.ArgumentParser()
    p.add_argument("dataset")
    p.add_argument("work")
    p.add_argument("--with", dest="prefix", default="")
    p.add_argument("--cases", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--mirror", action="store_true", help="all mirrors too: eight times as long")
    p.add_argument("--single", action="store_true", help="nnunetv2 sums windows in single precision, not in half")
    p.add_argument("--only", type=int, help="one row; the cascade needs that of 3d_lowres before it")
    a = p.parse_args()
    before = a.prefix.split()
    if a.single:
        sum_in_single()
    os.environ.update(OMP_NUM_THREADS=str(a.threads), nnUNet_compile="0", nnUNet_n_proc_DA="1", nnUNet_raw=a.work, nnUNet_preprocessed=a.work,
                      nnUNet_results=a.work)
    os.makedirs(a.work + "/in", exist_ok=True)
    for f in sorted(os.listdir(a.dataset + "/imagesTr"))[:a.cases]:
        if not os.path.exists(a.work + "/in/" + f):
            shutil.copy(os.path.join(a.dataset, "imagesTr", f), a.work + "/in")
    torch.set_num_threads(a.threads)
    lowres = {}
    if a.only is None:
        print("| plan, %d cases | Dice of the two outputs, mean (lowest) | voxels that differ | nephron | nnU-Net |" % a.cases)
        print("|---|---|---|---|---|", flush=True)
        for k in range(len(KINDS)):
            subprocess.run([sys.executable] + sys.argv + ["--only", str(k)], check=True)
        return
    for k, (title, configuration, preset, patch) in enumerate(KINDS):
        if configuration == "3d_lowres":
            lowres = {"ours": "%s/ours_%d" % (a.work, k), "theirs": "%s/theirs_%d" % (a.work, k)}
        if a.only != k:
            continue
        run, folder = "%s/run_%d" % (a.work, k), "%s/model_%d" % (a.work, k)
        ours, theirs = "%s/ours_%d" % (a.work, k), "%s/theirs_%d" % (a.work, k)
        cascade = configuration == "3d_cascade_fullres"
        if not os.path.exists(run + "/fold_0/checkpoint_final.safetensors"):
            measured([NEPHRON, "train", a.dataset, "-o", run, "--overwrite", "--configuration", configuration, "--preset", preset,
                      "--patch", patch, "--threads", str(a.threads)] + SMALL + (["--previous-stage", a.dataset + "/labelsTr"] if cascade else []),
                     "%s/train_%d.log" % (a.work, k))
        model_folder(run, configuration, folder)
        for out in (ours, theirs):
            shutil.rmtree(out, ignore_errors=True)
        mine = measured(before + [NEPHRON, "predict", run, "-i", a.work + "/in", "-o", ours, "--threads", str(a.threads), "--quiet"] +
                        ([] if a.mirror else ["--no-mirror"]) +
                        (["--previous-stage", lowres["ours"]] if cascade else []), "%s/ours_%d.log" % (a.work, k))
        with contextlib.redirect_stdout(sys.stderr):
            other = theirs_of(folder, a.work + "/in", theirs, a.mirror, lowres["theirs"] if cascade else None)
        mean, least, differ, voxels, foreground = compare(ours, theirs)
        print("| %s, patch %s | %.6f (%.6f) | %d of %d (%d foreground) | %.1f s, %.0f MB | %.1f s, %.0f MB |"
              % (title, patch.replace(",", " x "), mean, least, differ, voxels, foreground, mine[0], mine[1] / 1e6, other[0], other[1] / 1e6),
              flush=True)


if __name__ == "__main__":
    main()
