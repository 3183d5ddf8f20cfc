/* orientation.h - which way the axes of an array run in the patient. */
#ifndef NN_ORIENTATION_H
#define NN_ORIENTATION_H

/* World axis (0: left to right, 1: back to front, 2: feet to head) nearest to each axis d, h, w of an array,
 * no two the same, the clearest first, and whether it runs that way; 0 where a column of the affine is zero.
 * The affine's columns are those of a file, x first: axis 2 of the array is column 0. */
int orientation_axes(int world[3], int forward[3], const double affine[3][4]);
/* The array turned to RAS, as nibabel's as_reoriented and ITK's DICOMOrient do it: its axis a is axis
 * order[a] of the array, against it where flip[a]; then d runs from feet to head, h from back to front, w
 * from left to right. Without directions it stays as it is. */
void orientation_to_ras(int order[3], int flip[3], const double affine[3][4]);

#endif
