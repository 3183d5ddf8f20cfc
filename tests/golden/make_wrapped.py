"""Writes tests/data/golden/wrapped and nnunet_v1: the network of nnunet_model as PyTorch's wrappers save it, and a model folder of
nnU-Net version 1, for tests/program/check_wrapped.sh. Run from the root, after make_model.py, with torch, nnunetv2, safetensors and
nnunet 1.7.1 (pip install --no-deps nnunet==1.7.1 medpy)."""
import copy
import json
import os
import pickle

import numpy as np
import torch
from nnunet.network_architecture.generic_UNet import Generic_UNet
from nnunet.network_architecture.initialization import InitWeights_He
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from safetensors.torch import save_file

FOLDER = "tests/data/golden/nnunet_model"
checkpoint = torch.load(FOLDER + "/fold_0/checkpoint_final.pth", weights_only=False, map_location="cpu")
plans = json.load(open(FOLDER + "/plans.json"))
architecture = plans["configurations"]["3d_small"]["architecture"]


def network():
    net = get_network_from_plans(architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"],
                                 1, 3, allow_init=False, deep_supervision=True)
    net.load_state_dict(checkpoint["network_weights"])
    return net


os.makedirs("tests/data/golden/wrapped", exist_ok=True)
compiled = torch.compile(network())
save_file({name: t.clone() for name, t in compiled.state_dict().items()}, "tests/data/golden/wrapped/compiled.safetensors")
del checkpoint["optimizer_state"]
for name, net in (("compiled", compiled), ("parallel_compiled", torch.nn.DataParallel(compiled)),
                  ("compiled_parallel", torch.compile(torch.nn.DataParallel(network())))):
    one = copy.copy(checkpoint)
    one["network_weights"] = net.state_dict()
    print(name, next(iter(one["network_weights"])))
    torch.save(one, "tests/data/golden/wrapped/%s.pth" % name)
# As others save a network: the state_dict alone, here of DataParallel, by a PyTorch before 1.6.
torch.save({"epoch": 3, "state_dict": {"module." + k: t for k, t in network().state_dict().items()}},
           "tests/data/golden/wrapped/state_dict.pth", _use_new_zipfile_serialization=False)

# Version 1: nnUNetTrainerV2.initialize_network, NetworkTrainer.save_checkpoint, nnUNetTrainer.save_checkpoint's .pkl.
torch.manual_seed(1)
unet = Generic_UNet(1, 2, 3, 2, 2, 2, torch.nn.Conv3d, torch.nn.InstanceNorm3d, {"eps": 1e-5, "affine": True}, torch.nn.Dropout3d,
                    {"p": 0, "inplace": True}, torch.nn.LeakyReLU, {"negative_slope": 1e-2, "inplace": True}, True, False, lambda x: x,
                    InitWeights_He(1e-2), [[2, 2, 2], [2, 2, 2]], [[3, 3, 3]] * 3, False, True, True)
out = "tests/data/golden/nnunet_v1"
os.makedirs(out + "/fold_0", exist_ok=True)
torch.save({"epoch": 1000, "state_dict": unet.state_dict(), "optimizer_state_dict": None, "lr_scheduler_state_dict": None,
            "plot_stuff": ([], [], [], []), "best_stuff": (None, None, None)}, out + "/fold_0/model_final_checkpoint.model")
v1_plans = {"num_stages": 1, "num_modalities": 1, "modalities": {0: "MRI"}, "normalization_schemes": {0: "nonCT"}, "num_classes": 2,
            "all_classes": [1, 2], "base_num_features": 2, "use_mask_for_norm": {0: False}, "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2], "data_identifier": "nnUNetData_plans_v2.1", "dataset_properties": {"all_sizes": [(36, 50, 35)]},
            "plans_per_stage": {0: {"batch_size": 2, "num_pool_per_axis": [2, 2, 2], "patch_size": np.array([24, 32, 24]),
                                    "median_patient_size_in_voxels": np.array([36, 50, 35]), "current_spacing": np.array([1.0, 1.0, 1.0]),
                                    "original_spacing": np.array([1.0, 1.0, 1.0]), "do_dummy_2D_data_aug": False,
                                    "pool_op_kernel_sizes": [[2, 2, 2], [2, 2, 2]], "conv_kernel_sizes": [[3, 3, 3]] * 3}}}
with open(out + "/plans.pkl", "wb") as f:
    pickle.dump(v1_plans, f)
with open(out + "/fold_0/model_final_checkpoint.model.pkl", "wb") as f:
    pickle.dump({"init": ("plans.pkl", 0, out, None, True, 0, True, False, True), "name": "nnUNetTrainerV2",
                 "class": "<class 'nnunet.training.network_training.nnUNetTrainerV2.nnUNetTrainerV2'>", "plans": v1_plans}, f)
