#!/usr/bin/env python3
"""winograd_error.py - the table of tensor/winograd/winograd.h: the rms error of a 3x3x3 convolution in float32,
in units of the rms of its outputs, against double precision; inputs and weights are normal.

    python3 tests/bench/winograd_error.py [--tiles N] [--seed S]

Direct: one chain of fused multiply-adds over blocks of 64 channels, taps and channels, as conv.h defines it.
Tiles: the order of winograd.h and winograd_transforms.h, with the matrices of winograd_matrices.h, which are
read from there; other points are put in place of its P and Q. To be run from the root of the sources; needs
numpy."""
import argparse
import re

import numpy as np

BLOCK = 64  # CONV_BLOCK
CHANNELS = (32, 64, 128, 320)
POINTS = ((3 / 4, 3 / 2), (5 / 8, 3 / 2), (1, 2), (1, 1 / 2))


def fma(a, b, c):
    return (np.float64(a) * b + c).astype(np.float32)


class Form:
    """A row of winograd_matrices[]: its transforms along the first axis of an array."""

    def __init__(self, name, p=3 / 4, q=3 / 2):
        text = open("tensor/conv/winograd_matrices.h").read()
        words = {"P": p, "Q": q}
        for macro, value in re.findall(r"^#define (P2|Q2|GP|GQ) (\(.*\))(?: +/\*.*)?$", text, re.M):
            words[macro] = eval(value, {}, words)
        row = re.search(r"\[%s\] = \{(.*?)\}\}\}," % name, text, re.S)[1] + "}}"
        self.pairs = int(row.split(",")[3])
        self.b, self.g, self.a = (
            np.array(eval(m.translate(str.maketrans("{}", "[]")), {}, words), float)
            for m in re.findall(r"\.[bga] = (\{.*?\}\})", row, re.S))

    def paired(self, i):
        return 1 <= i <= 2 * self.pairs

    @staticmethod
    def row(row, v, unit, first=0, step=1):
        places = [j for j in reversed(range(len(row))) if j % step == first and row[j] != 0]
        ones = [j for j in places if row[j] == unit]
        total = v[ones[-1]] if ones else np.zeros_like(v[0])
        for j in places:
            if not ones or j != ones[-1]:
                total = fma(np.float32(row[j] / unit), v[j], total)
        return total

    def rows(self, matrix, v, units, odd_units, scales):
        out = []
        for i, row in enumerate(matrix):
            scale = np.float32(scales[i])
            if not self.paired(i):
                out.append(scale * self.row(row, v, units[i]))
            elif i % 2:
                even, odd = self.row(row, v, units[i], 0, 2), self.row(row, v, odd_units[i], 1, 2)
                ratio = np.float32(odd_units[i] / units[i])
                out += [scale * fma(ratio, odd, even), scale * fma(-ratio, odd, even)]
        return np.stack(out)

    def x(self, v):
        points = len(self.b)
        return self.rows(self.b, v, np.ones(points), self.a[1], np.ones(points))

    def w(self, v):
        scales = np.where(self.g[:, 0] != 0, self.g[:, 0], 1)
        return self.rows(self.g, v, scales, self.g[:, 1], scales)

    def y(self, m):
        folded = list(m)
        for i in range(1, 2 * self.pairs, 2):
            folded[i], folded[i + 1] = m[i] + m[i + 1], m[i] - m[i + 1]
        single = [i for i in range(len(m)) if not self.paired(i)]
        out = []
        for row in self.a:
            order = [(i, 1) for i in single if row[i] == 1]
            order += [(i if row[i] == row[i + 1] else i + 1, row[i]) for i in range(1, 2 * self.pairs, 2)]
            order += [(i, row[i]) for i in single if row[i] != 1]
            order = [(i, np.float32(c)) for i, c in order if c != 0]
            total = order[0][1] * folded[order[0][0]]
            for i, c in order[1:]:
                total = fma(c, folded[i], total)
            out.append(total)
        return np.stack(out)


def along(transform, v, axis):
    return np.moveaxis(transform(np.moveaxis(v, axis, 0)), 0, axis)


def windows(x, size):
    """Of x [d][h][w][tile][c]: for each tap the places of the outputs it meets."""
    for z, y, i in np.ndindex(3, 3, 3):
        yield (z, y, i), x[z:z + size[0], y:y + size[1], i:i + size[2]]


def exact(x, w, size):
    return sum(places.astype(float) @ w[tap].astype(float) for tap, places in windows(x, size))


def direct(x, w, size):
    channels, total = w.shape[3], np.zeros((*size, x.shape[3], w.shape[4]), np.float32)
    for c0 in range(0, channels, BLOCK):
        for tap, places in windows(x, size):
            for c in range(c0, min(c0 + BLOCK, channels)):
                total = fma(places[..., c, None], w[tap][c], total)
    return total


def tiles(x, w, depth, plane):
    v, u = along(depth.x, x, 0), along(depth.w, w, 0)
    v, u = (along(t, a, axis) for t, a, axis in ((plane.x, v, 2), (plane.w, u, 2)))
    v, u = (along(t, a, axis) for t, a, axis in ((plane.x, v, 1), (plane.w, u, 1)))
    y = np.zeros((len(depth.a), len(plane.a), len(plane.a), x.shape[3], w.shape[4]), np.float32)
    for c0 in range(0, w.shape[3], BLOCK):
        m = np.zeros((*v.shape[:4], w.shape[4]), np.float32)
        for c in range(c0, min(c0 + BLOCK, w.shape[3])):
            m = fma(v[..., c, None], u[..., None, c, :], m)
        for z, products in enumerate(m):
            part = along(plane.y, along(plane.y, products, 1), 0)
            for o in range(len(y)):
                y[o] += np.float32(depth.a[o][z]) * part
    return y


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiles", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    two = Form("WINOGRAD_2")
    rows = {"direct": None, "2x2x2": two}
    rows.update({"4x4x2 (%g, %g)" % points: Form("WINOGRAD_4", *points) for points in POINTS})
    errors = {name: [] for name in rows}
    for channels in CHANNELS:
        rng = np.random.default_rng(args.seed)
        x = rng.standard_normal((4, 6, 6, args.tiles, channels), np.float32)
        w = rng.standard_normal((3, 3, 3, channels, 16), np.float32)
        for name, form in rows.items():
            side = 4 if form is None else len(form.a)
            part = x[:, :side + 2, :side + 2]
            right = exact(part, w, (2, side, side))
            made = direct(part, w, (2, side, side)) if form is None else tiles(part, w, two, form)
            errors[name].append(np.sqrt(np.mean((made - right) ** 2) / np.mean(right ** 2)))
    print("%-20s" % "channels" + "".join("%9d" % c for c in CHANNELS))
    for name, values in errors.items():
        print("%-20s" % name + "".join("%9.1e" % e for e in values))


main()
