"""Segmentations that highdicom makes of tests/data/dicom/series, for tests/program/check_convert.sh: run from
the root of the tree.

Of the four slices the second and the fourth have labels; the others have no frame (omit_empty_frames), and
the images were given in another order. binary.dcm has a frame for each segment and slice, label_map.dcm holds
the numbers of the segments. labels.raw: the labels of all slices, a byte each, in the order of the normal.
"""
import os

import highdicom as hd
import numpy as np
from pydicom import dcmread
from pydicom.sr.codedict import codes

SERIES, OUT = 'tests/data/dicom/series', 'tests/data/segmentations'


def images():
    """In the order of their places along the normal."""
    found = []
    for name in os.listdir(SERIES):
        d = dcmread(os.path.join(SERIES, name), force=True)
        for key, value in [('StudyInstanceUID', '1.2'), ('FrameOfReferenceUID', '1.2.9'), ('PatientID', ''),
                           ('PatientName', ''), ('PatientBirthDate', ''), ('PatientSex', ''),
                           ('AccessionNumber', ''), ('StudyID', ''), ('StudyDate', ''), ('StudyTime', ''),
                           ('ReferringPhysicianName', '')]:
            setattr(d, key, value)
        v = np.array(d.ImageOrientationPatient, float)
        found.append((np.cross(v[:3], v[3:]) @ np.array(d.ImagePositionPatient, float), d))
    return [d for _, d in sorted(found, key=lambda pair: pair[0])]


def main():
    series = images()
    labels = np.zeros((len(series), series[0].Rows, series[0].Columns), np.uint8)
    labels[1, 1:3, 2:6] = 1
    labels[1, 3, 0] = 2
    labels[3, 0:2, 1:5] = 2
    labels[3, 4, 6] = 1
    os.makedirs(OUT, exist_ok=True)
    labels.tofile(os.path.join(OUT, 'labels.raw'))
    segments = [hd.seg.SegmentDescription(k + 1, name, codes.SCT.Organ, code,
                                          hd.seg.SegmentAlgorithmTypeValues.MANUAL)
                for k, (name, code) in enumerate([('kidney', codes.SCT.Kidney), ('liver', codes.SCT.Liver)])]
    order = [2, 0, 3, 1]
    for kind, name in [('BINARY', 'binary'), ('LABELMAP', 'label_map')]:
        seg = hd.seg.Segmentation([series[i] for i in order], labels[order], kind, segments,
                                  f'1.2.8.{len(name)}', 2, f'1.2.8.{len(name)}.1', 1, 'test', 'test', '1',
                                  '1', omit_empty_frames=True)
        seg.save_as(os.path.join(OUT, name + '.dcm'))


main()
