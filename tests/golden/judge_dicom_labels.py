"""Judges what `nephron convert LABELS OUT.dcm --like SERIES` writes: run from the root of the tree, with ./nephron built.

    python tests/golden/judge_dicom_labels.py    # needs numpy, scipy, nibabel, pydicom, highdicom

Random label maps over made series, axial, oblique and of one slice, and a label that no voxel has: highdicom must read the segmentation back equal, an even-odd filling of the contours at the
centres of voxels must give the labels, nephron must read its own segmentation, and nothing private may be in the files.
"""
import json
import os
import subprocess
import tempfile

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from scipy.ndimage import gaussian_filter

rng = np.random.default_rng(0)
NEPHRON = os.path.abspath('nephron')


def run(*words):
    return subprocess.run([NEPHRON, *words], check=True, capture_output=True, text=True).stdout


def write_series(folder, width, height, depth, oblique):
    os.makedirs(folder)
    row = np.array([0.8, 0.6, 0]) if oblique else np.array([1.0, 0, 0])
    column = np.array([0, 0, -1.0]) if oblique else np.array([0, 1.0, 0])
    if oblique == 2:  # about all three axes
        row, column = np.array([0.8, 0.48, 0.36]), np.array([-0.6, 0.64, 0.48])
    for z in range(depth):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = '1.2.840.10008.5.1.4.1.1.4'
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = f'1.2.3.{z + 1}'
        d.SpecificCharacterSet = 'ISO_IR 100'
        d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = 'Doe^Jane', '4711', '19700101', 'F'
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = '1.2.77', '1.2.78', '1.2.79'
        d.StudyDate, d.StudyTime, d.AccessionNumber, d.ReferringPhysicianName, d.StudyID = '20200101', '101010', 'A1', 'X^Y', 'S1'
        d.PatientAddress, d.Modality, d.InstanceNumber = 'secret street', 'MR', z + 1
        d.add_new(0x00110010, 'LO', 'PRIVATE')
        d.add_new(0x00111001, 'LO', 'private secret')
        place = np.array([10.5, -20.25, 30]) + np.cross(row, column) * 2.5 * z
        d.ImagePositionPatient = [float('%.6g' % v) for v in place]
        d.ImageOrientationPatient, d.PixelSpacing, d.SliceThickness = [*row, *column], [0.75, 0.5], 2.5
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = height, width, 1, 'MONOCHROME2'
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
        d.PixelData = rng.integers(0, 1000, (height, width)).astype('<u2').tobytes()
        d['PixelData'].VR = 'OW'
        d.save_as(f'{folder}/{z:03d}.dcm', enforce_file_format=True)


def even_odd(polygon, width, height):
    inside, x = np.zeros((height, width), bool), np.arange(width)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0)):
        for y in range(height):
            if (y0 <= y) != (y1 <= y):
                inside[y] ^= x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return inside


def judge_segmentation(path, labels, lps):
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in volume.array.shape[:3]], indexing='ij'), -1).reshape(-1, 3)
    place = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    at = np.rint((place - lps[:3, 3]) @ np.linalg.inv(lps[:3, :3]).T).astype(int)
    got = np.zeros_like(labels)
    got[tuple(at.T)] = volume.array.reshape(-1)
    assert np.abs(at @ lps[:3, :3].T + lps[:3, 3] - place).max() < 1e-4
    assert (got == labels).all()


def judge_contours(path, labels, lps):
    d, got, inverse = pydicom.dcmread(path), np.zeros_like(labels), np.linalg.inv(lps)
    for region, roi in zip(d.ROIContourSequence, d.StructureSetROISequence):
        for contour in region.get('ContourSequence', []):
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            points = points @ inverse[:3, :3].T + inverse[:3, 3]
            z = int(round(points[:, 2].mean()))
            assert np.abs(points[:, 2] - z).max() < 1e-3 and len(points) == contour.NumberOfContourPoints
            inside = even_odd(np.round(points[:, :2], 3), labels.shape[0], labels.shape[1])
            assert not got[:, :, z].T[inside].any()
            got[:, :, z][inside.T] = int(roi.ROIName.split()[1])
    assert (got == labels).all()


for width, height, depth, oblique, count, smooth in [(23, 17, 6, 1, 3, 1.5), (40, 31, 5, 0, 5, 1), (16, 16, 3, 0, 2, 0), (9, 7, 4, 1, 1, 0),
                                                     (21, 18, 5, 2, 4, 1.5), (15, 12, 1, 2, 3, 1), (8, 8, 1, 0, 1, 0)]:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_series('series', width, height, depth, oblique)
        run('convert', 'series', 'image.nii.gz')
        affine = nib.load('image.nii.gz').affine
        labels = gaussian_filter(rng.normal(size=(count + 1, width, height, depth)), (0, smooth, smooth, 0)).argmax(0).astype(np.uint8)
        nib.save(nib.Nifti1Image(labels, affine), 'labels.nii.gz')
        nib.save(nib.as_closest_canonical(nib.Nifti1Image(labels, affine)), 'turned.nii.gz')
        with open('dataset.json', 'w') as f:
            json.dump({'labels': {'background': 0, **{f'organ {k}': k for k in range(1, count + 2)}}}, f)  # the last is in no voxel
        lps = np.diag([-1, -1, 1, 1]) @ affine
        for name in ['labels', 'turned']:
            run('convert', f'{name}.nii.gz', 'seg.dcm', '--like', 'series', '--labels', 'dataset.json')
            run('convert', f'{name}.nii.gz', 'rt.dcm', '--like', 'series', '--as', 'rtstruct', '--labels', 'dataset.json')
            judge_segmentation('seg.dcm', labels, lps)
            judge_contours('rt.dcm', labels, lps)
            run('convert', 'seg.dcm', 'back.nii.gz')
            assert (np.asarray(nib.load('back.nii.gz').dataobj) == labels).all()
            for path in ['seg.dcm', 'rt.dcm']:
                data = open(path, 'rb').read()
                assert b'secret' not in data and b'PRIVATE' not in data and b'Doe^Jane' in data
        os.chdir('/')
        print(f'{width} x {height} x {depth}, {count} labels, {["axial", "oblique", "doubly oblique"][oblique]}: equal')
