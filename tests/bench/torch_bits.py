#!/usr/bin/env python3
"""torch_bits.py - the experiment of `make check-bits` with PyTorch in deterministic mode: which bits change with threads and levels.

A small U-Net (3D, instance norm, LeakyReLU, the shapes of tests/bits/unet.json) is trained for 20 steps on drawn numbers and gives logits;
each combination of threads and ATEN_CPU_CAPABILITY (with ONEDNN_MAX_CPU_ISA for oneDNN's kernels) is a process of its own.
Prints a table of hashes for docs/testing.md.

    python3 tests/bench/torch_bits.py
"""
import hashlib
import os
import subprocess
import sys

LEVELS = {  # name: (ATen's kernels, oneDNN's)
    "scalar": ("default", "SSE41"),
    "avx2": ("avx2", "AVX2"),
    "avx512": ("avx512", "AVX512_CORE"),
}
THREADS = (1, 2, 3, 8)


def experiment(threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)

    def convolution(inputs, outputs, kernel, stride=(1, 1, 1)):
        return nn.Sequential(
            nn.Conv3d(inputs, outputs, kernel, stride, tuple(k // 2 for k in kernel)),
            nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU(0.01))

    class UNet(nn.Module):
        def __init__(self, width=(16, 32)):
            super().__init__()
            a, b = width
            self.first = nn.Sequential(convolution(1, a, (1, 3, 3)), convolution(a, a, (3, 3, 3)))
            self.down = nn.Sequential(convolution(a, b, (3, 3, 3), (1, 2, 2)), convolution(b, b, (3, 3, 3)))
            self.up = nn.ConvTranspose3d(b, a, (1, 2, 2), (1, 2, 2))
            self.last = nn.Sequential(convolution(2 * a, a, (3, 3, 3)), nn.Conv3d(a, 3, 1))

        def forward(self, x):
            x = self.first(x)
            return self.last(torch.cat((self.up(self.down(x)), x), 1))

    generator = torch.Generator().manual_seed(2)
    image = torch.randn(2, 1, 8, 32, 32, generator=generator)
    label = torch.randint(0, 3, (2, 8, 32, 32), generator=generator)
    net = UNet()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.99, nesterov=True)

    def digest(tensors):
        h = hashlib.sha256()
        for t in tensors:
            h.update(t.detach().contiguous().numpy().tobytes())
        return h.hexdigest()[:12]

    with torch.no_grad():
        logits = net(image)
    loss = nn.functional.cross_entropy(net(image), label)
    loss.backward()
    gradient = digest(p.grad for p in net.parameters())
    optimizer.zero_grad()
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(image), label).backward()
        optimizer.step()
    print(torch.__version__, torch.backends.cpu.get_cpu_capability(), digest([logits]), gradient,
          digest(net.parameters()))


def main():
    rows = []
    for level, (aten, onednn) in LEVELS.items():
        for threads in THREADS:
            env = dict(os.environ, ATEN_CPU_CAPABILITY=aten, ONEDNN_MAX_CPU_ISA=onednn, OMP_NUM_THREADS=str(threads))
            out = subprocess.run([sys.executable, __file__, "--run", str(threads)], env=env, capture_output=True, text=True)
            if out.returncode:
                sys.exit(out.stderr)
            rows.append((level, threads, *out.stdout.split()))
    print(f"PyTorch {rows[0][2]}, torch.use_deterministic_algorithms(True)\n")
    print("| level | threads | logits before training | gradient of a step | weights after 20 steps |")
    print("|---|---:|---|---|---|")
    for level, threads, _, _, logits, gradient, weights in rows:
        print(f"| {level} | {threads} | {logits} | {gradient} | {weights} |")
    for name, column in (("logits", 4), ("gradients", 5), ("weights", 6)):
        print(f"\n{len({r[column] for r in rows})} different {name} in {len(rows)} runs", end="")
    print("\n\nThe last run again gives the last row:",
          subprocess.run([sys.executable, __file__, "--run", str(THREADS[-1])], env=env, capture_output=True, text=True).stdout.split()[4] == rows[-1][6])


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--run":
        experiment(int(sys.argv[2]))
    else:
        main()
