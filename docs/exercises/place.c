/* place.c - exercise 1 of the chapter on voxels: the spacing and a voxel's place, from the header of
 * tests/data/images/scanner.nii.gz. Run from the root of the sources. */
#include <math.h>
#include <stdio.h>

#include "io/formats/image_formats.h"

int main(void)
{
    const double at[3] = {2, 0, 1};
    double place[3], spacing = 0;
    struct volume v;
    struct error error;
    if (volume_read_header(&v, "tests/data/images/scanner.nii.gz", &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (int row = 0; row < 3; row++) {
        place[row] = v.affine[row][3];
        for (int axis = 0; axis < 3; axis++) place[row] += v.affine[row][axis] * at[axis];
        spacing += v.affine[row][0] * v.affine[row][0];
    }
    printf("spacing along x %.3f mm\n", sqrt(spacing));
    printf("voxel (2, 0, 1) at %.3f %.3f %.3f\n", place[0], place[1], place[2]);
    volume_free(&v);
    return fabs(place[0] - 9.133974) > 1e-5 || fabs(place[1] + 20.5) > 1e-5 || fabs(place[2] - 33) > 1e-5;
}
