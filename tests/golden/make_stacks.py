"""TIFF stacks as ImageJ, OME, tifffile and MetaMorph describe them, for tests/unit/io/check_images.c: python make_stacks.py tests/data/images

Voxel (x, y) of slice z, channel c, frame t is x + 10 y + 50 z + 300 c + 1000 t; pages are 5 x 4, stacks 3 slices, 2 channels, 2 frames.
Needs numpy and tifffile.
"""
import struct
import sys
import numpy as np
import tifffile

folder = sys.argv[1]
t, z, c, y, x = np.meshgrid(*[np.arange(n) for n in (2, 3, 2, 4, 5)], indexing="ij")
tzcyx = (x + 10 * y + 50 * z + 300 * c + 1000 * t).astype(np.uint16)

# One directory, written by hand as its writers do: the planes follow each other behind it.
def one_directory(name, planes, description, planes_of_metamorph=0):
    text = description.encode() + b"\0"
    tags = [(256, 4, 1, 5), (257, 4, 1, 4), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1), (270, 2, len(text), None), (273, 4, 1, None),
            (277, 3, 1, 1), (278, 4, 1, 4), (279, 4, 1, 40)]
    if planes_of_metamorph:
        tags.append((33629, 5, planes_of_metamorph, 8))  # its numbers are not read
    at = 8 + 2 + 12 * len(tags) + 4
    values = {270: at, 273: at + len(text) + len(text) % 2}
    data = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, kind, count, value in tags:
        data += struct.pack("<HHII", tag, kind, count, values.get(tag, value))
    data += struct.pack("<I", 0) + text + b"\0" * (len(text) % 2) + planes.astype("<u2").tobytes()
    open(f"{folder}/{name}", "wb").write(data)

zyx = np.ascontiguousarray(tzcyx[0, :, 0])
one_directory("stack_imagej.tif", zyx, "ImageJ=1.53t\nimages=3\nslices=3\nunit=mm\nspacing=2.5\n")
tifffile.imwrite(f"{folder}/stack_hyper.tif", tzcyx, imagej=True, metadata={"axes": "TZCYX"})
one_directory("stack_shaped.tif", zyx, '{"shape": [3, 4, 5]}')
one_directory("stack_metamorph.tif", zyx, "", 3)
tczyx = np.ascontiguousarray(tzcyx.transpose(0, 2, 1, 3, 4))
tifffile.imwrite(f"{folder}/stack_ome.ome.tif", tczyx, ome=True, photometric="minisblack", metadata={"axes": "TCZYX", "PhysicalSizeX": 0.5})
ztcyx = np.ascontiguousarray(tzcyx.transpose(1, 0, 2, 3, 4))
tifffile.imwrite(f"{folder}/stack_order.ome.tif", ztcyx, ome=True, photometric="minisblack", metadata={"axes": "ZTCYX"})
# Directories backwards, as TiffData may say.
data = '<data xmlns="x"><OME><Image><Pixels DimensionOrder="XYZCT" SizeX="5" SizeY="4" SizeZ="3" SizeC="1" SizeT="1" Type="uint16">' + "".join(
    f'<TiffData FirstZ="{k}" IFD="{2 - k}" PlaneCount="1"/>' for k in range(3)) + "</Pixels></Image></OME></data>"
tifffile.imwrite(f"{folder}/stack_backwards.ome.tif", zyx[::-1], description=data, metadata=None, software=False, photometric="minisblack")
# Colours in planes of their own: their number stands before height and width.
tifffile.imwrite(f"{folder}/stack_planes.tif", tzcyx, photometric="minisblack", planarconfig="separate")
# Three slices of bytes: colours in planes of their own for tifffile, slices for nnU-Net's Tiff3DIO.
tifffile.imwrite(f"{folder}/three_slices.tif", np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
with open(f"{folder}/three_slices.json", "w") as f:
    f.write('{"spacing": [3, 2, 0.5]}\n')
