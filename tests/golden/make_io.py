"""Golden files of the readers in io/: what NumPy, safetensors and PyTorch themselves write.

Run from the root of the repository, with numpy, safetensors and torch installed:
    python tests/golden/make_io.py
It writes tests/data/golden/io_*. Element i of every array is a small known function of i (see tests/unit/io/check_arrays.c).
"""
import sys

import numpy as np
import torch
from safetensors.torch import save_file

FOLDER = "tests/data/golden/io_"


def arrays():
    out = {}
    for code in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
        values = np.arange(24).reshape(2, 3, 4)
        values = values % 2 if code == "b1" else values * 5 if code[0] == "u" else values * 5 - 7
        for order in ("<", ">"):
            name = code + ("" if order == "<" else "_big")
            out[name] = values.astype(order + code)
            out[name + "_fortran"] = np.asfortranarray(out[name])
    out["scalar"] = np.float64(2.5)
    out["vector"] = np.array([1.5, -0.25], np.float32)
    out["empty"] = np.zeros((3, 0, 2), np.float32)
    # Subnormal, smallest normal, largest, infinite and undefined halves.
    out["halves"] = np.array([0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFC00, 0x7E00, 0x3C00, 0x3555], np.uint16).view(np.float16)
    return out


def tensors():
    values = torch.arange(24).reshape(2, 3, 4)
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
             "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32,
             "I16": torch.int16, "I8": torch.int8}
    out = {name: (values - 7).to(dtype) for name, dtype in types.items()}
    out.update({name: (values + 200).to(dtype) for name, dtype in
                {"U8": torch.uint8, "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64}.items()})
    out["BOOL"] = values % 2 == 1
    out["scalar"] = torch.tensor(2.5)
    out["empty"] = torch.zeros(3, 0)
    every = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    out["every_e4m3"] = every.view(torch.float8_e4m3fn)
    out["every_e5m2"] = every.clone().view(torch.float8_e5m2)
    out["every_e4m3_as_f32"] = out["every_e4m3"].float()
    out["every_e5m2_as_f32"] = out["every_e5m2"].float()
    return out


def torch_file():
    """Views of every kind, storages shared, values of every kind that nnU-Net's checkpoints hold."""
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    out = {name: (torch.arange(6).reshape(2, 3) - 2).to(getattr(torch, name))
           for name in ("float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "float8_e4m3fn", "float8_e5m2")}
    out.update({name: (torch.arange(6).reshape(2, 3) + 200).to(getattr(torch, name))
                for name in ("uint8", "uint16", "uint32", "uint64")})
    out["bool"] = torch.tensor([True, False, True])
    views = {"whole": base, "transposed": base.permute(2, 0, 1), "part": base[1, 1:, ::2], "tail": base[1],
             "expanded": base[0, 0, :2, None].expand(2, 3), "scalar": base[1, 2, 3], "empty": base[:, :0], "flat": base.view(-1)}
    state = torch.nn.Conv3d(1, 2, (1, 3, 3)).state_dict()
    state["weight"] = torch.arange(18.0).reshape(2, 1, 1, 3, 3)
    state["bias"] = torch.tensor([0.5, -0.5])
    return {"types": out, "views": views, "network_weights": state, "parameter": torch.nn.Parameter(base[0, 1]),
            "optimizer_state": {"state": {0: {"momentum_buffer": base[0]}}, "param_groups": [{"lr": 0.01, "params": [0, 1]}]},
            "logging": {"mean_fg_dice": [np.float64(0.25), np.float32(0.5), np.float16(-2.0), np.int64(-7), np.uint8(200), np.bool_(True)],
                        "big_endian": np.array([1.5], ">f8")[0], "nan": float("nan"), "infinite": -np.inf},
            "_best_ema": np.float64(0.875), "current_epoch": 1000, "large": 2**70, "negative": -(2**40), "small": -3, "half": 70000,
            "init_args": {"configuration": "3d_fullres", "fold": 0, "device": torch.device("cuda", 0), "dtype": torch.float16,
                          "text": "zero\0 and \u00e9", "empty": [(), {}, "", b"bytes"], "flags": (True, False, None)},
            "nested": [[torch.ones(2), {"deep": torch.zeros(1)}], 5]}


def leaves(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (dict, list)):
        for v in value.values() if isinstance(value, dict) else value:
            yield from leaves(v)


def save_elsewhere(path):
    """What torch.save writes on a machine of the other byte order; torch.load here gives the same tensors."""
    value, seen = torch_file(), set()
    for t in leaves(value):
        if t.untyped_storage().data_ptr() not in seen:
            t.untyped_storage().byteswap(t.dtype)
        seen.add(t.untyped_storage().data_ptr())
    sys.byteorder = "big"
    torch.save(value, path)
    sys.byteorder = "little"
    for a, b in zip(leaves(torch_file()), leaves(torch.load(path, weights_only=False)), strict=True):
        if a.dtype not in (torch.uint16, torch.uint32, torch.uint64):  # whose untyped storages torch.load does not turn
            assert a.dtype == b.dtype and a.tolist() == b.tolist(), a.dtype


def odd_file():
    """Without checksums; tensors with attributes, and values that have no place in JSON."""
    attributed, parameter = torch.arange(3.0), torch.nn.Parameter(torch.arange(2.0))
    attributed.note, parameter.note = "of a tensor", "of a parameter"
    return {"attributed": attributed, "parameter": parameter, "set": {1}, "frozen": frozenset([2]), "bytes": bytearray(b"xyz"),
            "tuples": {(1, 2): 3, (4, 5): torch.ones(1)}}


np.savez(FOLDER + "stored.npz", **arrays())
np.savez_compressed(FOLDER + "deflated.npz", **arrays())
np.save(FOLDER + "saved.npy", np.arange(10, dtype=np.int32).reshape(5, 2))
save_file(tensors(), FOLDER + "types.safetensors", {"format": "pt", "note": "quotes \" and \u00e9"})
torch.save(torch_file(), FOLDER + "torch.pth")
torch.save(torch_file(), FOLDER + "torch4.pth", pickle_protocol=4)
torch.save(torch_file(), FOLDER + "torch_old.pth", _use_new_zipfile_serialization=False)
save_elsewhere(FOLDER + "torch_big.pth")
torch.serialization.set_crc32_options(False)
torch.save(odd_file(), FOLDER + "torch_odd.pth", pickle_protocol=5)
