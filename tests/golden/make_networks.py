"""Golden values of whole networks: losses and gradients of PyTorch for the networks of nn/network.

Run from the root of the repository, with torch, nnunetv2, dynamic-network-architectures, monai and safetensors installed:
    python tests/golden/make_networks.py [NAME...]
It writes tests/data/golden/network_NAME.safetensors: unet, resenc, segresnet, unet_group, unet_batch, resnet, resnet_group; those that
are named, or all. Networks and loss are nnU-Net's and MONAI's own classes; the 3D ResNet is torchvision's, with Conv3d. Weights and inputs come from a linear congruential generator that tests/unit/nn/check_networks.c repeats, so that
only results are stored: of each parameter its shape, the norm of its gradient, a random projection of it, and its values (of the
larger ones every fifth). All is computed in double precision, except what nnU-Net's loss forces to single.

The numbers in the images' names were chosen so that no input of a (leaky) ReLU is closer to 0 than 7e-6: nearer ones may change sign by
rounding in single precision, and then one voxel's gradient is another one, in PyTorch as well.
"""
import math
import sys

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from monai.networks.nets import SegResNet
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

STORED_WHOLE = 1024  # gradients up to this size are stored whole, larger ones every fifth value
FOLDER = "tests/data/golden/"


def lcg(name, count):
    """count numbers in [-0.5, 0.5), exact in single precision; the seed is the FNV-1a hash of the name."""
    state = 2166136261
    for byte in name.encode():
        state = ((state ^ byte) * 16777619) & 0xFFFFFFFF
    out = np.empty(count)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = (state >> 8) / 16777216.0 - 0.5
    return out


def set_weights(net):
    with torch.no_grad():
        for name, p in net.named_parameters():
            u = lcg(name, p.numel()).reshape(p.shape)
            if p.dim() > 1:
                v = u * (2 * math.sqrt(6.0 / np.prod(p.shape[1:])))
            elif name.endswith(".weight"):
                v = 1 + 0.2 * u
            else:
                v = 0.2 * u
            p.copy_(torch.from_numpy(v.astype(np.float32)))


def case_labels(batch, size):
    """Two balls a case, and one row of voxels to be ignored (label 3)."""
    z, y, x = np.ogrid[: size[0], : size[1], : size[2]]
    out = np.zeros((batch, *size), np.int64)
    for n in range(batch):
        out[n][(z - 8) ** 2 + (y - 5 - n) ** 2 + (x - 9) ** 2 < 20] = 1
        out[n][(z - 6) ** 2 + (y - 11) ** 2 + (x - 6 - n) ** 2 < 14] = 2
        out[n][3, 7, :] = 3
    return out


def segmentation_case(name, channels, size, strides):
    labels = case_labels(2, size)
    image = lcg(name, 2 * np.prod(size) * channels).reshape(2, *size, channels)  # channels last, as in nephron
    image = (image + 0.5 * labels[..., None]).astype(np.float32)
    x = torch.from_numpy(np.moveaxis(image, -1, 1).copy()).double()
    full = torch.from_numpy(labels)[:, None]
    targets, now = [full], list(size)
    for stride in strides[1:-1]:
        now = [a // b for a, b in zip(now, stride)]
        targets.append(F.interpolate(full.float(), now, mode="nearest-exact").long())
    return x, targets


def segmentation_loss(heads, batch_dice):
    weights = np.array([1 / 2**i for i in range(heads)])
    if heads > 1:
        weights[-1] = 0
    one = DC_and_CE_loss({"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False}, {}, weight_ce=1,
                         weight_dice=1, ignore_label=3, dice_class=MemoryEfficientSoftDiceLoss)
    return DeepSupervisionWrapper(one, weights / weights.sum())


class BasicBlock(nn.Module):
    def __init__(self, c, k, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv3d(c, k, 3, stride, 1, bias=False)
        self.bn1 = norm(k)
        self.conv2 = nn.Conv3d(k, k, 3, 1, 1, bias=False)
        self.bn2 = norm(k)
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(nn.Conv3d(c, k, 1, stride, bias=False), norm(k))

    def forward(self, x):
        skip = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + skip)


class ResNet18(nn.Module):
    def __init__(self, channels, classes, base, norm=nn.BatchNorm3d):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, base, 3, 1, 1, bias=False)
        self.bn1 = norm(base)
        c = base
        for s in range(4):
            k = base << s
            layer = nn.Sequential(BasicBlock(c, k, 2 if s else 1, norm), BasicBlock(k, k, 1, norm))
            setattr(self, f"layer{s + 1}", layer)
            c = k
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for s in range(4):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3, 4)))


def store_gradients(out, net):
    for name, p in net.named_parameters():
        g = np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        flat = g.reshape(-1)
        out["shape." + name] = np.array(p.shape, np.int64)
        out["summary." + name] = np.array([np.linalg.norm(flat), flat @ lcg("project " + name, flat.size)])
        out["grad." + name] = flat[:: 1 if flat.size <= STORED_WHOLE else 5].astype(np.float32)


def train(net, loss_of, optimizer, steps, clip):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def golden(name, net, loss_of, make_optimizer, clip):
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        return
    file = f"network_{name}.safetensors"
    net.double()
    set_weights(net)
    loss = loss_of()
    loss.backward()
    out = {"loss": np.array([loss.item()])}
    store_gradients(out, net)
    for name, b in net.named_buffers():
        if not name.endswith("num_batches_tracked"):
            out["buffer." + name] = b.numpy().astype(np.float32)
    if make_optimizer is not None:
        set_weights(net)
        out["losses"] = train(net, loss_of, make_optimizer(net.parameters()), 10, clip)
        for name, p in net.named_parameters():
            out["moved." + name] = np.array([np.linalg.norm(p.detach().numpy())])
    save_file(out, FOLDER + file)
    print(file, out["loss"], out.get("losses"), sum(p.numel() for p in net.parameters()), "parameters")


def groups(of):
    """A GroupNorm as nnU-Net's and torchvision's classes call a norm: by the channels alone."""
    return lambda channels, **kwargs: nn.GroupNorm(of, channels, **kwargs)


def unet_arguments(features, kernels, strides, norm=nn.InstanceNorm3d):
    return dict(n_stages=len(features), features_per_stage=features, conv_op=nn.Conv3d, kernel_sizes=kernels, strides=strides,
                num_classes=3, conv_bias=True, norm_op=norm, norm_op_kwargs={"eps": 1e-5, "affine": True},
                nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True)


def main():
    torch.set_num_threads(1)
    kernels, strides = [(1, 3, 3), (3, 3, 3), (3, 3, 3)], [(1, 1, 1), (1, 2, 2), (2, 2, 2)]

    x, targets = segmentation_case("image 8", 2, (16, 16, 16), strides)
    net = PlainConvUNet(2, n_conv_per_stage=2, n_conv_per_stage_decoder=2, **unet_arguments([8, 16, 32], kernels, strides))
    loss = segmentation_loss(2, True)
    sgd = lambda p: torch.optim.SGD(p, 0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)
    golden("unet", net, lambda: loss(net(x), targets), sgd, 12)

    strides = [(1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 2, 2)]  # the last stage keeps its width: a skip of pooling alone
    kernels = [(3, 3, 3)] * 4
    x, targets = segmentation_case("image 1", 1, (16, 16, 16), strides)
    res = ResidualEncoderUNet(1, n_blocks_per_stage=[1, 2, 1, 1], n_conv_per_stage_decoder=1,
                              **unet_arguments([4, 6, 8, 8], kernels, strides))
    loss3 = segmentation_loss(3, False)
    golden("resenc", res, lambda: loss3(res(x), targets), None, 0)

    # SegResNet as MONAI builds it: blocks of its default, three stages, transposed convolutions up.
    x, targets = segmentation_case("image 21", 2, (16, 16, 16), [(1, 1, 1), (2, 2, 2)])
    seg = SegResNet(init_filters=8, in_channels=2, out_channels=3, blocks_down=(1, 2, 2), blocks_up=(1, 1), upsample_mode="deconv")
    single = segmentation_loss(1, False)
    golden("segresnet", seg, lambda: single([seg(x)], targets[:1]), sgd, 12)

    # Other norms: the plain U-Net once more.
    kernels, strides = [(1, 3, 3), (3, 3, 3), (3, 3, 3)], [(1, 1, 1), (1, 2, 2), (2, 2, 2)]
    for name, norm, image in (("unet_group", groups(4), "image 4"), ("unet_batch", nn.BatchNorm3d, "image 1")):
        x2, targets2 = segmentation_case(image, 2, (16, 16, 16), strides)
        normed = PlainConvUNet(2, n_conv_per_stage=2, n_conv_per_stage_decoder=2, **unet_arguments([8, 16, 32], kernels, strides, norm))
        golden(name, normed, lambda: loss(normed(x2), targets2), None, 0)

    def classes(name):
        image = lcg(name, 4 * 16**3).reshape(4, 1, 16, 16, 16)
        return torch.from_numpy((image + 0.25 * target.numpy()[:, None, None, None, None]).astype(np.float32)).double()

    target = torch.tensor([0, 1, 1, 0])
    images, others = classes("image 6"), classes("image 14")
    resnet = ResNet18(1, 2, 4)
    adamw = lambda p: torch.optim.AdamW(p, 2e-4, weight_decay=0.01)
    golden("resnet", resnet, lambda: F.cross_entropy(resnet(images), target), adamw, 0)
    grouped = ResNet18(1, 2, 4, groups(4))
    golden("resnet_group", grouped, lambda: F.cross_entropy(grouped(others), target), None, 0)


if __name__ == "__main__":
    main()
