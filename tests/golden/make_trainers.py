"""Writes tests/data/golden/trainers: a checkpoint of the trainer of nnU-Net that builds another network than plans.json says, and
nnU-Net's postprocessing.pkl, for tests/program/check_wrapped.sh and tests/unit/nn/check_nnunet.c. Run from the root, after make_model.py,
with torch, nnunetv2 and safetensors:
    python tests/golden/make_trainers.py
nnUNetTrainerBN.pth goes with plans.json and dataset.json of nnunet_model; its running averages are of a few forward passes.
nnUNetTrainerBN.safetensors has an image and the logits that nnU-Net's own network makes of it. postprocessing.pkl is as
determine_postprocessing writes it: of all foreground, then of label 2, then of the region (1, 2).
"""
import os

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import save_pickle
from nnunetv2.postprocessing.remove_connected_components import remove_all_but_largest_component_from_segmentation as largest
from nnunetv2.training.nnUNetTrainer.variants.network_architecture.nnUNetTrainerBN import nnUNetTrainerBN
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from safetensors.numpy import save_file

OUT = "tests/data/golden/trainers"
torch.manual_seed(2)
torch.set_num_threads(1)
checkpoint = torch.load("tests/data/golden/nnunet_model/fold_0/checkpoint_final.pth", weights_only=False, map_location="cpu")
plans = PlansManager("tests/data/golden/nnunet_model/plans.json")
net = nnUNetTrainerBN.build_network_architecture(plans, plans.get_configuration("3d_small"), 1, 3, True)
with torch.no_grad():
    for p in net.parameters():
        p.copy_(0.3 * torch.randn_like(p))
    for _ in range(4):
        net(1 + 2 * torch.randn(2, 1, 24, 32, 24))
net.eval()
net.decoder.deep_supervision = False
image = torch.randn(1, 1, 8, 12, 16)
with torch.no_grad():
    logits = net(image)
os.makedirs(OUT, exist_ok=True)
checkpoint["network_weights"] = net.state_dict()
checkpoint["trainer_name"] = "nnUNetTrainerBN"
checkpoint["optimizer_state"] = checkpoint["grad_scaler_state"] = checkpoint["logging"] = None
torch.save(checkpoint, OUT + "/nnUNetTrainerBN.pth")
save_file({"image": np.ascontiguousarray(np.moveaxis(image.numpy(), 1, -1)),
           "logits": np.ascontiguousarray(np.moveaxis(logits.numpy(), 1, -1))}, OUT + "/nnUNetTrainerBN.safetensors")
print(sorted(k for k in net.state_dict() if "running" in k)[:3], float(logits.abs().mean()))
one, two = LabelManager({"background": 0, "a": 1, "b": 2}, None).foreground_labels  # numbers of NumPy's
save_pickle(([largest] * 3, [{"labels_or_regions": chosen} for chosen in ([one, two], two, (1, 2))]),
            OUT + "/postprocessing.pkl")
