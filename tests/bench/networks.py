"""The networks and layers of `nephron bench`, in PyTorch, under the same names (apps/bench/bench_networks.c, apps/bench/bench_kernels.c)."""
import torch
from torch import nn

# name: N, C, K, (D, H, W), kernel, stride, transposed
LAYERS = {
    "c1_32_40x56x40_b2": (2, 1, 32, (40, 56, 40), 3, 1, False),
    "c32_32_40x56x40_b2": (2, 32, 32, (40, 56, 40), 3, 1, False),
    "c64_32_40x56x40_b2": (2, 64, 32, (40, 56, 40), 3, 1, False),
    "c32_64_s2_40x56x40_b2": (2, 32, 64, (40, 56, 40), 3, 2, False),
    "c64_64_20x28x20_b2": (2, 64, 64, (20, 28, 20), 3, 1, False),
    "c64_128_s2_20x28x20_b2": (2, 64, 128, (20, 28, 20), 3, 2, False),
    "c128_128_10x14x10_b2": (2, 128, 128, (10, 14, 10), 3, 1, False),
    "c256_256_5x7x5_b2": (2, 256, 256, (5, 7, 5), 3, 1, False),
    "c320_320_4x4x4_b2": (2, 320, 320, (4, 4, 4), 3, 1, False),
    "c32_32_128x128x128_b1": (1, 32, 32, (128, 128, 128), 3, 1, False),
    "c1_32_128x128x128_b1": (1, 1, 32, (128, 128, 128), 3, 1, False),
    "c64_64_28x28x28_b4": (4, 64, 64, (28, 28, 28), 3, 1, False),
    "p32_3_40x56x40_b2": (2, 32, 3, (40, 56, 40), 1, 1, False),
    "p64_32_40x56x40_b2": (2, 64, 32, (40, 56, 40), 1, 1, False),
    "t64_32_20x28x20_b2": (2, 64, 32, (20, 28, 20), 2, 2, True),
    "t256_128_5x7x5_b2": (2, 256, 128, (5, 7, 5), 2, 2, True),
}

# U-Nets: batch, patch, stages, flat stages (kernel 1x3x3 and, after the first, stride 1x2x2). ResNet-18: batch, patch.
STEPS = {
    "unet_hippo": ("unet", 9, (40, 56, 40), 4, 0),
    "unet_hippo_b2": ("unet", 2, (40, 56, 40), 4, 0),
    "unet5_64": ("unet", 2, (64, 64, 64), 5, 0),
    "unet6_128_b2": ("unet", 2, (128, 128, 128), 6, 0),
    "unet7_20x256x224_b2": ("unet", 2, (20, 256, 224), 6, 2),
    "resnet18_28": ("resnet", 32, (28, 28, 28)),
    "resnet18_64": ("resnet", 4, (64, 64, 64)),
}
INFERENCE = {
    "infer_unet5_128": ("unet", 1, (128, 128, 128), 5, 0),
    "infer_resnet18_28_b32": ("resnet", 32, (28, 28, 28)),
    "unet6_128x256x256_mirror": ("unet", 1, (128, 128, 128), 6, 0),
}
VOLUME = {"unet6_128x256x256_mirror": (128, 256, 256)}  # sliding window with all mirrors, step 0.5
CLASSES = {"unet": 3, "resnet": 11}


def block(c, k, kernel, stride):
    pad = [n // 2 for n in kernel]
    return [nn.Conv3d(c, k, kernel, stride, pad), nn.InstanceNorm3d(k, eps=1e-5, affine=True), nn.LeakyReLU(0.01, inplace=True)]


class UNet(nn.Module):
    """nnU-Net's plain U-Net: two convolutions a stage, a head on every decoder level."""

    def __init__(self, patch, stages, flat):
        super().__init__()
        features = [min(320, 32 << s) for s in range(stages)]
        kernels = [(1 if s < flat else 3, 3, 3) for s in range(stages)]
        size, strides = list(patch), []
        for s in range(stages):
            strides.append(tuple(2 if s > 0 and not (a == 0 and s <= flat) and size[a] >= 8 else 1 for a in range(3)))
            size = [(n + t - 1) // t for n, t in zip(size, strides[s])]
        self.down, self.up, self.merge, self.head = nn.ModuleList(), nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        c = 1
        for k, kernel, stride in zip(features, kernels, strides):
            self.down.append(nn.Sequential(*block(c, k, kernel, stride), *block(k, k, kernel, 1)))
            c = k
        for s in range(stages - 2, -1, -1):
            k = features[s]
            self.up.append(nn.ConvTranspose3d(features[s + 1], k, strides[s + 1], strides[s + 1]))
            self.merge.append(nn.Sequential(*block(2 * k, k, kernels[s], 1), *block(k, k, kernels[s], 1)))
            self.head.append(nn.Conv3d(k, CLASSES["unet"], 1))

    def forward(self, x):
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        skips.pop()
        outputs = []
        for up, merge, head in zip(self.up, self.merge, self.head):
            x = merge(torch.cat((up(x), skips.pop()), 1))
            if self.training or not skips:
                outputs.insert(0, head(x))
        return outputs if self.training else outputs[0]


class BasicBlock(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.main = nn.Sequential(nn.Conv3d(c, k, 3, stride, 1, bias=False), nn.BatchNorm3d(k), nn.ReLU(inplace=True),
                                  nn.Conv3d(k, k, 3, 1, 1, bias=False), nn.BatchNorm3d(k))
        self.skip = nn.Sequential() if stride == 1 and c == k else nn.Sequential(nn.Conv3d(c, k, 1, stride, bias=False), nn.BatchNorm3d(k))

    def forward(self, x):
        return torch.relu(self.main(x) + self.skip(x))


def resnet18():
    layers, c = [nn.Conv3d(1, 64, 3, 1, 1, bias=False), nn.BatchNorm3d(64), nn.ReLU(inplace=True)], 64
    for i, k in enumerate((64, 128, 256, 512)):
        layers += [BasicBlock(c, k, 1 if i == 0 else 2), BasicBlock(k, k, 1)]
        c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(512, CLASSES["resnet"]))


def build(spec):
    torch.manual_seed(0)
    return UNet(spec[2], spec[3], spec[4]) if spec[0] == "unet" else resnet18()


def convolutions(spec):
    """Every convolution of the network as (N, C, K, size, kernel, stride, transposed), in order of execution."""
    found = []

    def note(module, inputs, _):
        x = inputs[0]
        found.append((spec[1], x.shape[1], module.out_channels, tuple(x.shape[2:]), module.kernel_size, module.stride,
                      isinstance(module, nn.ConvTranspose3d)))

    net = build(spec).train()
    for m in net.modules():
        if isinstance(m, (nn.Conv3d, nn.ConvTranspose3d)):
            m.register_forward_hook(note)
    with torch.no_grad(), torch.device("cpu"):
        net(torch.zeros(2 if spec[0] == "resnet" else 1, 1, *spec[2]))
    return found
