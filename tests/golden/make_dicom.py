"""Small DICOM files for tests/unit/io/check_dicom.c, written by pydicom: run from the root of the tree.

    python tests/golden/make_dicom.py        # needs numpy, pydicom, imagecodecs (for lossless JPEG)

The stored value of voxel (x, y, z) is stored_value() below, in C too, so the files need no expected arrays.
"""
import os
import shutil

import imagecodecs
import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian,
                         JPEGLossless, JPEGLosslessSV1, RLELossless)

OUT = 'tests/data/dicom'
COLUMNS, ROWS = 7, 5
MR, ENHANCED_MR = '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.4.1'
ROW, COLUMN = np.array([0.8, 0.6, 0.0]), np.array([0.0, 0.0, -1.0])
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([10.5, -20.25, 30.0])
SPACING = np.array([0.5, 0.75, 2.5])


def stored_value(x, y, z, stored, signed):
    v = (37 * x * x + 101 * y + 1009 * z + 3 * x * y) % (1 << stored)
    return v - (1 << (stored - 1)) if signed else v


def plane(z, stored, signed):
    return np.array([[stored_value(x, y, z, stored, signed) for x in range(COLUMNS)] for y in range(ROWS)])


def place(z):
    return ['%.6g' % v for v in ORIGIN + NORMAL * SPACING[2] * z]


def dataset(syntax, instance, bits, stored, signed, frames=1):
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = MR
    d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = '1.2.3.' + str(instance)
    d.file_meta.TransferSyntaxUID = syntax
    d.preamble = b'\0' * 128
    d.Modality, d.Manufacturer, d.SeriesDescription = 'MR', 'ACME', 't2 tse'
    d.PatientName, d.PatientID = 'Doe^Jane', '4711'
    d.SeriesInstanceUID = '1.2.3'
    d.RepetitionTime, d.EchoTime, d.MagneticFieldStrength = '4000', '85.5', '1.5'
    d.SliceThickness = '2'
    d.ImageOrientationPatient = ['%.6g' % v for v in [*ROW, *COLUMN]]
    d.ImagePositionPatient = place(0)
    d.PixelSpacing = ['%.6g' % SPACING[1], '%.6g' % SPACING[0]]
    d.SpacingBetweenSlices = '%.6g' % SPACING[2]
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, 'MONOCHROME2'
    d.Rows, d.Columns = ROWS, COLUMNS
    if frames > 1:
        d.NumberOfFrames = frames
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = bits, stored, stored - 1, int(signed)
    return d


def native(z, bits, stored, signed, big=False):
    return plane(z, stored, signed).astype(('>' if big else '<') + ('i' if signed else 'u') + str(bits // 8)).tobytes()


def pad(b):
    return b + b'\0' * (len(b) % 2)


def save(d, name, vr='OW', encapsulated=False):
    path = os.path.join(OUT, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    d['PixelData'].VR = vr
    if encapsulated:
        d['PixelData'].is_undefined_length = True
    dcmwrite(path, d, enforce_file_format=True)


def nested(undefined):
    inner, middle, outer = Dataset(), Dataset(), Dataset()
    inner.CodeValue = 'x'
    inner.Rows = 99  # must not be taken for the image's
    middle.ModifierCodeSequence = [inner]
    outer.AnatomicRegionSequence = [middle, Dataset()]
    for d in (inner, middle, outer.AnatomicRegionSequence[1]):
        d.is_undefined_length_sequence_item = undefined
    outer['AnatomicRegionSequence'].is_undefined_length = undefined
    middle['ModifierCodeSequence'].is_undefined_length = undefined
    return outer.AnatomicRegionSequence


def series():
    """Names in another order than the places, a rescale of its own in each slice."""
    for z, name in enumerate(['b', 'd.dcm', 'a', 'c.ima']):
        d = dataset(ExplicitVRLittleEndian, z, 16, 12, True)
        d.ImagePositionPatient = place(z)
        d.RescaleSlope, d.RescaleIntercept = '%g' % (1 + 0.5 * z), '%g' % (-100 * z)
        d.AnatomicRegionSequence = nested(z % 2 == 0)
        if z % 2 == 0:
            d['AnatomicRegionSequence'].is_undefined_length = True
        d.PixelData = native(z, 16, 12, True)
        save(d, 'series/' + name)


def single_files():
    for name, syntax, bits, stored, signed, vr in [
            ('implicit', ImplicitVRLittleEndian, 16, 16, True, 'OW'), ('big', ExplicitVRBigEndian, 16, 12, False, 'OW'),
            ('big32', ExplicitVRBigEndian, 32, 20, True, 'OW'), ('deflated', DeflatedExplicitVRLittleEndian, 8, 8, False, 'OB')]:
        d = dataset(syntax, 1, bits, stored, signed)
        d.AnatomicRegionSequence = nested(True)
        d['AnatomicRegionSequence'].is_undefined_length = True
        d.PixelData = pad(native(0, bits, stored, signed, 'big' in name))
        save(d, name + '.dcm', vr)
    d = dataset(ExplicitVRLittleEndian, 1, 16, 12, False)  # as CT: unsigned, but the values are not
    d.RescaleSlope, d.RescaleIntercept = '1', '-1024'
    d.PixelData = native(0, 16, 12, False)
    save(d, 'ct.dcm')
    d = dataset(ExplicitVRBigEndian, 1, 8, 8, False)  # bytes in 16-bit words: the writer swaps them
    words = np.frombuffer(pad(native(0, 8, 8, False)), '<u2')
    d.PixelData = words.astype('>u2').tobytes()
    save(d, 'big8.dcm')


def run_lengths():
    d = dataset(ExplicitVRLittleEndian, 1, 16, 16, True, 3)
    d.PixelData = b''.join(native(z, 16, 16, True) for z in range(3))
    d.compress(RLELossless, encoding_plugin='pydicom', generate_instance_uid=False)
    save(d, 'rle.dcm', 'OB', True)


def lossless(z, bits, stored, predictor):
    a = plane(z, stored, False).astype('u%d' % (bits // 8))
    return imagecodecs.jpeg8_encode(a, lossless=True, predictor=predictor, bitspersample=stored)


def jpegs():
    """Frame k of the first file is of predictor k + 1."""
    d = dataset(JPEGLossless, 1, 16, 12, False, 7)
    d.PixelData = encapsulate([lossless(z, 16, 12, z + 1) for z in range(7)], fragments_per_frame=2, has_bot=False)
    save(d, 'jpeg57.dcm', 'OB', True)
    d = dataset(JPEGLosslessSV1, 1, 8, 8, False, 2)
    d.PixelData = encapsulate([lossless(z, 8, 8, 1) for z in range(2)], fragments_per_frame=3, has_bot=True)
    save(d, 'jpeg70.dcm', 'OB', True)


def enhanced():
    """Functional groups: geometry shared, places of the frames in another order, a rescale in each."""
    d = dataset(ExplicitVRLittleEndian, 1, 16, 16, False, 3)
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    for name in ['ImageOrientationPatient', 'ImagePositionPatient', 'PixelSpacing', 'SpacingBetweenSlices', 'SliceThickness', 'RepetitionTime', 'EchoTime']:
        delattr(d, name)
    shared, measures, orientation, timing, echo = (Dataset() for _ in range(5))
    measures.PixelSpacing = ['%.6g' % SPACING[1], '%.6g' % SPACING[0]]
    measures.SliceThickness = '2'
    orientation.ImageOrientationPatient = ['%.6g' % v for v in [*ROW, *COLUMN]]
    timing.RepetitionTime = '4000'
    echo.EffectiveEchoTime = 85.5
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.MRTimingAndRelatedParametersSequence, shared.MREchoSequence = [timing], [echo]
    d.SharedFunctionalGroupsSequence = [shared]
    order, groups = [2, 0, 1], []
    for z in order:
        g, position, value = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = place(z)
        value.RescaleSlope, value.RescaleIntercept = '%g' % (1 + 0.5 * z), '%g' % (-100 * z)
        g.PlanePositionSequence, g.PixelValueTransformationSequence = [position], [value]
        groups.append(g)
    d.PerFrameFunctionalGroupsSequence = groups
    d.PixelData = b''.join(native(z, 16, 16, False) for z in order)
    save(d, 'enhanced.dcm')


shutil.rmtree(OUT, ignore_errors=True)
series()
single_files()
run_lengths()
jpegs()
enhanced()
