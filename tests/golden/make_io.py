"""Golden files of the readers in io/: what NumPy, safetensors and PyTorch themselves write.

Run from the root of the repository, with numpy, safetensors and torch installed:
    python tests/golden/make_io.py
It writes tests/data/golden/io_*. Element i of every array is a small known function of i (see tests/check_io.c).
"""
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


np.savez(FOLDER + "stored.npz", **arrays())
np.savez_compressed(FOLDER + "deflated.npz", **arrays())
np.save(FOLDER + "saved.npy", np.arange(10, dtype=np.int32).reshape(5, 2))
save_file(tensors(), FOLDER + "types.safetensors", {"format": "pt", "note": "quotes \" and \u00e9"})
