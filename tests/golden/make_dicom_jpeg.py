"""DICOM files with JPEG, JPEG-LS and JPEG 2000 pixels for tests/unit/io/check_dicom_jpeg.c: run from the root of the tree.

    python tests/golden/make_dicom_jpeg.py    # needs numpy, pydicom, pylibjpeg with its libjpeg and openjpeg plugins, pyjpegls, imagecodecs,
                                             # Pillow; and OpenJPEG's opj_compress

NAME.dcm is the file, NAME.raw what pydicom's plugins decode of it: 16-bit little endian, all frames.
"""
import io
import os
import shutil
import subprocess
import tempfile

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless, JPEGLSNearLossless

OUT = 'tests/data/dicom_jpeg'
ROWS, COLUMNS = 37, 29


def picture(stored, z, signed=False):
    """Smooth, with an edge, an even part and noise."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    top = (1 << stored) - 1
    a = top * (0.5 + 0.3 * np.sin(x / 5 + z) * np.cos(y / 4)) + np.random.default_rng(z).normal(0, top / 150, (ROWS, COLUMNS))
    a[:8, :12] = top / 5
    a[20:, 15:] = np.where((x + y) // 5 % 2, top / 3, top / 4)[20:, 15:]
    a = np.clip(a, 0, top).astype(np.int64)
    return a - (1 << (stored - 1)) if signed else a


def save(name, syntax, frames, bits, stored, signed=False):
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = '1.2.840.10008.5.1.4.1.1.4'
    d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = '1.2.3.1'
    d.file_meta.TransferSyntaxUID = syntax
    d.SeriesInstanceUID, d.StudyInstanceUID = '1.2.3', '1.2'
    d.PatientName, d.PatientID = '', ''
    d.ImagePositionPatient, d.ImageOrientationPatient, d.PixelSpacing = [0, 0, 0], [1, 0, 0, 0, 1, 0], [1, 1]
    d.SpacingBetweenSlices = '2'
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, 'MONOCHROME2'
    d.Rows, d.Columns, d.NumberOfFrames = ROWS, COLUMNS, len(frames)
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = bits, stored, stored - 1, int(signed)
    d.PixelData = encapsulate([bytes(f) for f in frames])
    d['PixelData'].VR = 'OB'
    d['PixelData'].is_undefined_length = True
    d.save_as(f'{OUT}/{name}.dcm', enforce_file_format=True)
    pixels = dcmread(f'{OUT}/{name}.dcm').pixel_array.reshape(len(frames), ROWS, COLUMNS)
    pixels.astype('<i4').astype('<u4').astype('<u2').tofile(f'{OUT}/{name}.raw')
    return pixels


def jpeg_2000(a, **options):
    out = io.BytesIO()
    Image.fromarray(a).save(out, 'JPEG2000', no_jp2=True, **options)
    return out.getvalue()


shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
narrow, deep, wide = ([picture(n, z).astype(np.uint8 if n == 8 else np.uint16) for z in range(2)] for n in (8, 12, 16))
save('baseline', JPEGBaseline8Bit, [imagecodecs.jpeg8_encode(a, level=85) for a in narrow], 8, 8)
save('extended', JPEGExtended12Bit, [imagecodecs.jpeg8_encode(a, level=85, bitspersample=12) for a in deep], 16, 12)
assert (save('ls', JPEGLSLossless, [imagecodecs.jpegls_encode(a) for a in wide], 16, 16) == wide).all()
assert (save('ls8', JPEGLSLossless, [imagecodecs.jpegls_encode(a) for a in narrow], 8, 8) == narrow).all()
save('ls_near', JPEGLSNearLossless, [imagecodecs.jpegls_encode(a, level=3) for a in wide], 16, 16)
assert (save('j2k', JPEG2000Lossless, [imagecodecs.jpeg2k_encode(a, codecformat='j2k', reversible=True, level=0, bitspersample=16) for a in wide], 16, 16) == wide).all()
signed = [picture(16, z, True).astype(np.int16) for z in range(2)]
assert (save('j2k_signed', JPEG2000Lossless, [imagecodecs.jpeg2k_encode(a, codecformat='j2k', reversible=True, level=0, bitspersample=16) for a in signed],
             16, 16, True) == signed).all()
save('j2k_lossy', JPEG2000, [imagecodecs.jpeg2k_encode(a, codecformat='j2k', level=45, bitspersample=12) for a in deep], 16, 12)
# Tiles, precincts, layers, each order of packets.
for order in ['RLCP', 'RPCL', 'PCRL', 'CPRL']:
    frames = [jpeg_2000(a, progression=order, irreversible=False, num_resolutions=3, tile_size=(20, 24), precinct_size=(16, 16), codeblock_size=(8, 8),
                        quality_layers=[8, 4, 1]) for a in narrow]
    save(f'j2k_{order.lower()}', JPEG2000, frames, 8, 8)

# Every style of code-blocks: bypass, causal contexts and segmentation symbols; reset, termination of each pass.
def styled(a, mode):
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(a).save(f'{folder}/a.pgm')
        subprocess.run(['opj_compress', '-i', f'{folder}/a.pgm', '-o', f'{folder}/a.j2k', '-M', str(mode), '-n', '3', '-SOP', '-EPH'], check=True, capture_output=True)
        return open(f'{folder}/a.j2k', 'rb').read()

assert (save('j2k_styles', JPEG2000Lossless, [styled(narrow[0], 1 + 8 + 32), styled(narrow[1], 2 + 4 + 16)], 8, 8) == narrow).all()
