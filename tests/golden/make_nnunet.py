"""Golden values of nnU-Net's losses with regions and with an ignore label, and of 20 iterations of its training.

Run from the root of the repository, with torch, nnunetv2, dynamic-network-architectures and safetensors installed:
    python tests/golden/make_nnunet.py
It writes tests/data/golden/nnunet.safetensors: of each loss its value and gradient, class locations,
of each training its losses. Weights and inputs come from
the generator of make_networks.py, which tests/unit/lcg.h repeats. Losses, networks and transforms are nnU-Net's own classes.
"""
import sys

import numpy as np
import torch

sys.path.insert(0, "tests/golden")
from batchgeneratorsv2.transforms.nnunet.random_binary_operator import (binary_closing_torch, binary_dilation_torch, binary_erosion_torch,
                                                                        binary_opening_torch)
from batchgeneratorsv2.transforms.utils.seg_to_regions import ConvertSegmentationToRegionsTransform
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from make_networks import case_labels, lcg, segmentation_loss, set_weights, unet_arguments
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from safetensors.numpy import save_file
from skimage.morphology import ball
from torch import nn
from torch.nn import functional as F

SIZE = (3, 5, 7)
REGIONS = [(1, 2, 3), (2, 3), 3]


def region_loss(batch_dice, ignores):
    return DC_and_BCE_loss({}, {"batch_dice": batch_dice, "do_bg": True, "smooth": 1e-5, "ddp": False}, use_ignore_label=ignores,
                           dice_class=MemoryEfficientSoftDiceLoss)


def label_loss(batch_dice, ignore):
    return DC_and_CE_loss({"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False}, {}, weight_ce=1, weight_dice=1,
                          ignore_label=ignore, dice_class=MemoryEfficientSoftDiceLoss)


def to_regions(labels, regions, ignore):
    convert = ConvertSegmentationToRegionsTransform(list(regions) + ([ignore] if ignore is not None else []))
    return torch.stack([convert._apply_to_segmentation(c) for c in labels])


def one_loss(out, name, kind, batch_dice, values, ignore, all_ignored=False):
    """Labels 0 to values - 1, and `ignore` where not None; logits from -4 to 4."""
    count = 2 * int(np.prod(SIZE))
    top = values + (ignore is not None)
    labels = torch.from_numpy(np.floor((lcg("labels " + name, count) + 0.5) * top).astype(np.int64).reshape(2, 1, *SIZE))
    if all_ignored:
        labels[:] = ignore
    logits = (8 * lcg("logits " + name, count * 3)).astype(np.float32).reshape(2, *SIZE, 3)
    x = torch.from_numpy(np.moveaxis(logits, -1, 1).copy()).requires_grad_()
    if kind == "regions":
        loss = region_loss(batch_dice, ignore is not None)(x, to_regions(labels, REGIONS, ignore))
    else:
        loss = label_loss(batch_dice, ignore)(x, labels)
    loss.backward()
    out["loss." + name] = np.array([loss.item()])
    out["grad." + name] = np.moveaxis(x.grad.numpy(), 1, -1).reshape(-1).copy()
    print(name, loss.item(), float(x.grad.norm()))


def batch(k, strides, regions):
    """Batch k of a training: two cases of 16^3 with two channels."""
    labels = case_labels(4, (16, 16, 16))[2 * (k % 2): 2 * (k % 2) + 2]
    image = (lcg(f"batch {k}", labels.size * 2).reshape(2, 16, 16, 16, 2) + 0.5 * labels[..., None]).astype(np.float32)
    x = torch.from_numpy(np.moveaxis(image, -1, 1).copy()).double()
    full = torch.from_numpy(labels)[:, None]
    targets, now = [full], [16, 16, 16]
    for stride in strides[1:-1]:
        now = [a // b for a, b in zip(now, stride)]
        targets.append(F.interpolate(full.float(), now, mode="nearest-exact").long())
    return x, [to_regions(t, regions, 3) for t in targets] if regions else targets


def training(out, name, regions):
    """20 iterations as nnUNetTrainer.train_step: four epochs of five, SGD with Nesterov momentum, poly schedule, gradients clipped at 12."""
    kernels, strides = [(1, 3, 3), (3, 3, 3), (3, 3, 3)], [(1, 1, 1), (1, 2, 2), (2, 2, 2)]
    arguments = unet_arguments([8, 16, 32], kernels, strides)
    if regions:
        arguments["num_classes"] = len(regions)
    net = PlainConvUNet(2, n_conv_per_stage=2, n_conv_per_stage_decoder=2, **arguments).double()
    set_weights(net)
    loss = DeepSupervisionWrapper(region_loss(False, True), np.array([1.0, 0.0])) if regions else segmentation_loss(2, True)
    sgd = torch.optim.SGD(net.parameters(), 0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)
    losses = []
    for step in range(20):
        for group in sgd.param_groups:
            group["lr"] = 0.01 * (1 - step // 5 / 4) ** 0.9
        x, targets = batch(step % 4, strides, regions)
        sgd.zero_grad()
        value = loss(net(x), targets)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 12)
        sgd.step()
        losses.append(value.item())
    out["losses." + name] = np.array(losses)
    print(name, losses)


def locations(out, name, regions):
    """nnU-Net's class locations of a map of 40^3 voxels with labels 0 to 3 and 4 to ignore: of each group their number, the sum of their
    voxel indices modulo 1000003, and the first five."""
    seg = np.floor((lcg("map", 40**3) + 0.5) * 5).astype(np.int16).reshape(1, 40, 40, 40)
    groups = list(regions) + [[-1, 0, 1, 2, 3]]
    found = DefaultPreprocessor._sample_foreground_locations(seg, groups)
    rows = []
    for g in groups:
        at = found[tuple(g) if isinstance(g, (list, tuple)) else g]
        index = (at[:, 1] * 40 + at[:, 2]) * 40 + at[:, 3]
        rows.append([len(index), index.sum() % 1000003, *index[:5]])
    out["locations." + name] = np.array(rows, np.int64)
    print(name, rows)


def operators(out):
    """Dilation, erosion, closing, opening of 12 x 11 x 10 random balls by footprints of several radii: the voxels as bytes."""
    z, y, x = np.ogrid[:12, :11, :10]
    u = lcg("balls", 15).reshape(5, 3) + 0.5
    mask = np.zeros((12, 11, 10), bool)
    for k, (a, b, c) in enumerate(u):
        mask |= (z - int(a * 12)) ** 2 + (y - int(b * 11)) ** 2 + (x - int(c * 10)) ** 2 <= k + 1
    results = []
    for radius in (1.2, 1.7, 2.1, 2.9):
        for op in (binary_dilation_torch, binary_erosion_torch, binary_closing_torch, binary_opening_torch):
            results.append(op(torch.from_numpy(mask), torch.from_numpy(ball(radius, dtype=bool))).numpy())
    out["operators"] = np.stack([mask] + results).astype(np.uint8)
    print("operators", [int(r.sum()) for r in out["operators"]])


def main():
    torch.set_num_threads(1)
    out = {}
    one_loss(out, "regions", "regions", False, 4, None)
    one_loss(out, "regions batch", "regions", True, 4, None)
    one_loss(out, "regions ignore", "regions", False, 4, 4)
    one_loss(out, "regions batch ignore", "regions", True, 4, 4)
    one_loss(out, "regions nothing", "regions", True, 4, 4, all_ignored=True)
    one_loss(out, "labels ignore", "labels", False, 3, 3)
    one_loss(out, "labels batch ignore", "labels", True, 3, 3)
    one_loss(out, "labels nothing", "labels", True, 3, 3, all_ignored=True)
    operators(out)
    locations(out, "labels", [1, 2, 3])
    locations(out, "regions", REGIONS)
    training(out, "labels", None)
    training(out, "regions", [(1, 2), 2])
    save_file(out, "tests/data/golden/nnunet.safetensors")


main()
