"""predict_one.py - predict_one.c through ctypes: predict_one.py RUN OUT.nii.gz CHANNEL_0.nii.gz ...

NEPHRON_LIBRARY: path of libnephron.so where the loader does not find it.
"""

import ctypes
import os
import sys

HANDLE, TEXT, INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
# name: result, arguments, as in nephron.h. Without them ctypes takes a result for an int, and a handle loses
# its upper half.
FUNCTIONS = {
    "open": (HANDLE, INT, INT),
    "error": (TEXT, HANDLE),
    "model_load": (HANDLE, HANDLE, TEXT, TEXT),
    "image_read": (HANDLE, HANDLE, ctypes.POINTER(TEXT), INT),
    "predict_file": (INT, HANDLE, HANDLE, TEXT),
}


def main(run, out, *images):
    library = ctypes.CDLL(os.environ.get("NEPHRON_LIBRARY", "libnephron.so.1"))
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(library, "nephron_" + name)
        function.restype, function.argtypes = result, arguments
    paths = (TEXT * len(images))(*map(os.fsencode, images))
    n = library.nephron_open(1, 0)
    m = library.nephron_model_load(n, os.fsencode(run), None)
    i = library.nephron_image_read(n, paths, len(images)) if m else None
    if not i or library.nephron_predict_file(m, i, os.fsencode(out)):
        sys.exit("predict_one.py: " + library.nephron_error(n).decode())
    print(out + ": written")  # the process ends, and the system takes the memory back


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print("usage: predict_one.py RUN OUT IMAGE...", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
