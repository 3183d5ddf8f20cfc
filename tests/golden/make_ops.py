"""Prints the golden numbers of tests/unit/tensor/check_ops.c: what PyTorch computes for the ops, as projections.

A tensor is reduced to sum(t[i] * pattern(i, 99)) over its elements in channels-last order, with the sum of the absolute
terms as its scale. Inputs are patterns too, so that nothing but these numbers has to be stored.
Run: python tests/golden/make_ops.py   (PyTorch; nnunetv2, where installed, confirms the segmentation loss)
"""
import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def pattern(count, salt):
    i = np.arange(count, dtype=np.int64)
    return ((i * 7919 + salt * 104729) % 1009).astype(np.float64) / 504.0 - 1.0


def image(shape, salt):
    """[n][d][h][w][c] pattern, rounded to float, as a leaf of shape n c d h w."""
    x = torch.tensor(pattern(int(np.prod(shape)), salt).astype(np.float32).astype(np.float64)).reshape(shape)
    return x.permute(0, 4, 1, 2, 3).contiguous().requires_grad_()


def weight(shape, salt):
    x = torch.tensor(pattern(int(np.prod(shape)), salt).astype(np.float32).astype(np.float64)).reshape(shape)
    return x.requires_grad_()


def labels(shape, classes, salt, ignore_every):
    """[n][d][h][w] classes, 255 at every ignore_every-th voxel (0: none)."""
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    y = (i * 31 + salt * 17) % 97 % classes
    if ignore_every:
        y[i % ignore_every == 2] = 255
    return torch.tensor(y).reshape(shape)


def emit(name, t):
    t = t.detach()
    if t.ndim == 5 and not name.endswith("weight"):
        t = t.permute(0, 2, 3, 4, 1)
    t = t.reshape(-1).numpy()
    p = t * pattern(t.size, 99)
    print('    {"%s", %.9g, %.4g},' % (name, p.sum(), np.abs(p).sum()))


def emit_all(name, y, **inputs):
    """y and, with the pattern 98 as its gradient (1 for a scalar), the gradients of the inputs."""
    emit(name + ".y", y)
    if y.ndim == 0:
        y.backward()
    else:
        order = y.permute(0, 2, 3, 4, 1)
        order.backward(torch.tensor(pattern(y.numel(), 98)).reshape(order.shape))
    for key, value in inputs.items():
        emit(name + "." + key, value.grad)


def conv():
    x, x2 = image((2, 4, 5, 6, 3), 1), image((2, 4, 5, 6, 2), 2)
    w, b = weight((4, 5, 1, 3, 3), 3), weight((4,), 4)
    y = F.conv3d(torch.cat([x, x2], 1), w, b, stride=(1, 2, 1), padding=(0, 1, 1))
    emit_all("conv3d", y, x=x, x2=x2, weight=w, bias=b)
    x, w, b = image((2, 2, 3, 4, 3), 1), weight((3, 4, 1, 2, 2), 3), weight((4,), 4)
    emit_all("conv_transpose3d", F.conv_transpose3d(x, w, b, stride=(1, 2, 2)), x=x, weight=w, bias=b)
    x, w, b = image((3, 1, 1, 1, 5), 1), weight((4, 5), 3), weight((4,), 4)
    emit_all("linear", F.linear(x[:, :, 0, 0, 0], w, b)[:, :, None, None, None], x=x, weight=w, bias=b)


def norm():
    x, w, b = image((2, 3, 4, 5, 6), 1), weight((6,), 3), weight((6,), 4)
    y = F.leaky_relu(F.instance_norm(x, None, None, w, b, eps=1e-5), 0.01)
    emit_all("instance_norm", y, x=x, weight=w, bias=b)
    x, w, b = image((2, 3, 4, 5, 6), 1), weight((6,), 3), weight((6,), 4)
    y = F.leaky_relu(F.group_norm(x, 3, w, b, eps=1e-5), 0.01)
    emit_all("group_norm", y, x=x, weight=w, bias=b)
    x, w, b = image((2, 3, 4, 5, 6), 1), weight((6,), 3), weight((6,), 4)
    mean, var = torch.zeros(6), torch.ones(6)
    y = F.relu(F.batch_norm(x, mean, var, w, b, training=True, momentum=0.1, eps=1e-5))
    emit_all("batch_norm", y, x=x, weight=w, bias=b)
    emit("batch_norm.running_mean", mean)
    emit("batch_norm.running_var", var)
    emit("batch_norm.inference", F.relu(F.batch_norm(x, mean, var, w, b, training=False, eps=1e-5)))


def pool():
    x = image((2, 5, 6, 7, 3), 1)
    emit_all("max_pool3d", F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1)), x=x)
    x = image((2, 5, 6, 7, 3), 1)
    emit_all("avg_pool3d", F.avg_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1), count_include_pad=False), x=x)


def dice(p, y, batch_dice):
    mask = (y != 255)[:, None]
    onehot = F.one_hot(torch.where(y == 255, 0, y), p.shape[1]).permute(0, 4, 1, 2, 3) * mask
    p = p * mask
    axes = (0, 2, 3, 4) if batch_dice else (2, 3, 4)
    dc = (2 * (p * onehot).sum(axes) + 1e-5) / torch.clip(p.sum(axes) + onehot.sum(axes) + 1e-5, 1e-8)
    return -(dc[1:] if batch_dice else dc[:, 1:]).mean()


def reference_loss(x, y, batch_dice):
    """nnU-Net's own code."""
    try:
        from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
        from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
    except ImportError:
        return None
    loss = DC_and_CE_loss({"batch_dice": batch_dice, "do_bg": False, "smooth": 1e-5, "ddp": False}, {}, ignore_label=255,
                          dice_class=MemoryEfficientSoftDiceLoss)
    return loss(x, y[:, None])


def loss():
    x, y = image((2, 3, 4, 5, 4), 1), labels((2, 3, 4, 5), 4, 5, 7)
    w = torch.tensor([0.5, 1.0, 2.0, 4.0])
    emit_all("cross_entropy", F.cross_entropy(x, y, w, ignore_index=255), x=x)
    for batch_dice in (False, True):
        x, x2 = image((2, 4, 4, 6, 3), 1), image((2, 2, 2, 3, 3), 2)
        y, y2 = labels((2, 4, 4, 6), 3, 5, 7), labels((2, 2, 2, 3), 3, 6, 0)
        total = 0
        for weight_i, logits, target in ((2 / 3, x, y), (1 / 3, x2, y2)):
            part = F.cross_entropy(logits, target, ignore_index=255) + dice(torch.softmax(logits, 1), target, batch_dice)
            theirs = reference_loss(logits, target, batch_dice)
            # nnU-Net sums in float.
            assert theirs is None or abs(part - theirs) < 2e-6, (part, theirs)
            total = total + weight_i * part
        emit_all("segmentation_loss.%s" % ("batch" if batch_dice else "case"), total, x=x, x2=x2)


def focal(minus_log_p, gamma):
    """Lin et al. 2017: each -log p times (1 - p)^gamma."""
    return (1 - torch.exp(-minus_log_p)) ** gamma * minus_log_p


def focal_loss():
    x, x2 = image((2, 4, 4, 6, 3), 1), image((2, 2, 2, 3, 3), 2)
    y, y2 = labels((2, 4, 4, 6), 3, 5, 7), labels((2, 2, 2, 3), 3, 6, 0)
    total = 0
    for weight_i, logits, target in ((2 / 3, x, y), (1 / 3, x2, y2)):
        entropy = F.cross_entropy(logits, target, ignore_index=255, reduction="none")[target != 255]
        total = total + weight_i * (focal(entropy, 2).mean() + dice(torch.softmax(logits, 1), target, False))
    emit_all("segmentation_loss.focal", total, x=x, x2=x2)

    x = image((2, 4, 4, 6, 3), 1)
    mask = (y != 255)[:, None]
    inside = torch.stack([(y == 1) | (y == 2), y == 2, y == 0], 1).double()
    entropy = F.binary_cross_entropy_with_logits(x, inside, reduction="none")
    p, axes = torch.sigmoid(x) * mask, (0, 2, 3, 4)
    tp, sum_p, sum_g = (p * inside).sum(axes), p.sum(axes), (inside * mask).sum(axes)
    overlap = (2 * tp + 1e-5) / torch.clip(sum_p + sum_g + 1e-5, 1e-8)
    # With an ignore label nnU-Net sums over the outputs and takes the mean over the voxels that count.
    emit_all("segmentation_loss.regions_focal", (focal(entropy, 2) * mask).sum() / mask.sum() - overlap.mean(), x=x)


conv()
norm()
pool()
loss()
focal_loss()
