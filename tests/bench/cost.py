"""PyTorch's side of cost.sh: the same step of training (networks.py, rivals.py), between the marks of the library that is named."""
import argparse
import ctypes
import sys

import networks
import rivals


def measure(step, _):
    marks = ctypes.CDLL(sys.argv[1])
    step()
    marks.cost_begin()
    step()
    marks.cost_end()


networks.STEPS["cost"] = ("unet", 1, (16, 24, 16), 4, 0)
rivals.measure = measure
rivals.run_torch(argparse.Namespace(case="cost", threads=1, precision="fp32", channels_last=False, seconds=0))
