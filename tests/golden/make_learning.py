"""Golden values of nnU-Net's patches, augmentation and sliding windows: tests/data/golden/learning.json.

Needs nnunetv2 and batchgeneratorsv2. Inputs are made by the same formula here and in tests/unit/nn/check_learning.c.
"""
import json
import sys

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial import spatial
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader


def noise(*shape):
    i = np.arange(np.prod(shape), dtype=np.uint64)
    return ((i * 2654435761 % 2**32) / 2.0**32 - 0.5).reshape(shape).astype(np.float32)


def labels(d, h, w):
    z, y, x = np.meshgrid(np.arange(d), np.arange(h), np.arange(w), indexing="ij")
    return ((z * z + 2 * y + 3 * x * y) // 7 % 3).astype(np.int16)


def values(a):
    return [float(np.float32(v)) for v in np.asarray(a).ravel()]


def deformed(size, patch, angles, scale):
    dim = len(size)
    t = spatial.SpatialTransform(patch, patch_center_dist_from_border=0, random_crop=False, border_mode_seg="constant", padding_value_seg=-1)
    affine = spatial.create_affine_matrix_3d(angles, [scale] * 3) if dim == 3 else spatial.create_affine_matrix_2d(angles[-1], [scale] * 2)
    grid = spatial._create_centered_identity_grid2(patch)
    grid = torch.matmul(grid, torch.from_numpy(affine.T).float())
    return t, {"grid": spatial._convert_my_grid_to_grid_sample_grid(grid, size)}


def deform_cases():
    out = []
    for size, patch, degrees, scale, flat in [((11, 10, 9), (7, 8, 5), (20, -12, 7), 1.3, 0), ((6, 7, 8), (8, 9, 10), (-29, 15, 3), 0.75, 0),
                                              ((4, 11, 12), (4, 9, 10), (0, 0, 130), 0.8, 1)]:
        image, seg = torch.from_numpy(noise(*size)), torch.from_numpy(labels(*size))
        angles = np.deg2rad(degrees)
        if flat:  # slices are channels of a 2D image
            t, p = deformed(size[1:], patch[1:], angles, scale)
            image, seg = t._apply_to_image(image, **p), t._apply_to_segmentation(seg, **p)
        else:
            t, p = deformed(size, patch, angles, scale)
            image, seg = t._apply_to_image(image[None], **p)[0], t._apply_to_segmentation(seg[None], **p)[0]
        out.append({"size": size, "patch": patch, "degrees": degrees, "scale": scale, "flat": flat, "image": values(image),
                    "label": [int(v) for v in seg.ravel()]})
    return out


def intensity_cases():
    x = noise(6, 7, 5)
    run = lambda t, **p: values(t._apply_to_image(torch.from_numpy(x.copy())[None], **p)[0])
    one, yes, no = torch.tensor([0]), torch.tensor([True]), torch.tensor([False])
    gamma = GammaTransform((1, 1), 1, False, 1, 1)
    return {"blur": run(GaussianBlurTransform(), apply_to_channel=torch.tensor([True]), sigmas=[[0.55, 0.8, 0.97]]),
            "contrast": run(ContrastTransform((1, 1), True, False), apply_to_channel=one, multipliers=torch.tensor([1.2])),
            "gamma": run(gamma, apply_to_channel=one, retain_stats=yes, invert_image=no, gamma=torch.tensor([0.8])),
            "gamma_inverted": run(gamma, apply_to_channel=one, retain_stats=yes, invert_image=yes, gamma=torch.tensor([1.4])),
            "low_resolution": run(SimulateLowResolutionTransform(1, False, True, None), apply_to_channel=[0], scales=torch.tensor([[0.7] * 3]))}


def initial(patch):
    """configure_rotation_dummyDA_mirroring_and_inital_patch_size."""
    p = patch[1:] if patch[0] == 1 else patch
    if len(p) == 2:
        r = np.deg2rad(15 if max(p) / min(p) > 1.5 else 180)
        return [1, *get_patch_size(p, (-r, r), (-r, r), (-r, r), (0.85, 1.25)).tolist()]
    flat = max(p) / p[0] > 3
    r = np.deg2rad(180 if flat else 30)
    out = get_patch_size(p, (-r, r), (-r, r), (-r, r), (0.85, 1.25)).tolist()
    return [p[0], *out[1:]] if flat else out


def bounds(size, big, patch):
    """Lowest and highest centre that get_bbox draws."""
    loader = nnUNetDataLoader.__new__(nnUNetDataLoader)
    loader.patch_size, loader.need_to_pad, loader.has_ignore = big, np.array(big) - np.array(patch), False
    lows = np.array([loader.get_bbox(size, False, None)[0] for _ in range(4000)]) + np.array(big) // 2
    return {"size": size, "initial": big, "patch": patch, "low": lows.min(0).tolist(), "high": lows.max(0).tolist()}


def main():
    np.random.seed(1)
    out = {"deform": deform_cases(), "intensity": intensity_cases()}
    out["initial"] = [{"patch": p, "initial": initial(p)} for p in
                      [(40, 56, 40), (128, 128, 128), (20, 256, 224), (56, 224, 192), (1, 512, 512), (1, 256, 512), (1, 480, 320), (32, 33, 96)]]
    out["bounds"] = [bounds(*b) for b in [((20, 18, 9), (12, 13, 12), (8, 8, 8)), ((5, 8, 30), (8, 9, 10), (8, 8, 8)), ((6, 7, 3), (8, 8, 8), (8, 8, 8))]]
    out["steps"] = [{"size": s, "patch": p, "step": t, "start": compute_steps_for_sliding_window((s,), (p,), t)[0]}
                    for s, p, t in [(110, 64, 0.5), (64, 64, 0.5), (65, 64, 0.5), (137, 40, 0.5), (200, 48, 0.3), (31, 20, 1.0), (512, 256, 0.7)]]
    out["gaussian"] = {"patch": (6, 5, 8), "map": values(compute_gaussian((6, 5, 8), 1 / 8, 10, torch.float32, torch.device("cpu")))}
    seg = torch.from_numpy(labels(12, 9, 10))[None]
    half, third = DownsampleSegForDSTransform(((0.5, 1, 0.5), (1 / 3, 5 / 9, 0.3)))(segmentation=seg)["segmentation"]
    out["downsample"] = [{"size": list(a.shape[1:]), "label": [int(v) for v in a.ravel()]} for a in (half, third)]
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/data/golden/learning.json", "w") as f:
        f.write(json.dumps(out).replace('], "', '],\n"').replace("}, {", "},\n{") + "\n")


main()
