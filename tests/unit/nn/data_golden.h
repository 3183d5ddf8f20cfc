/* data_golden.h - tests/data/golden/data.json and the inputs of tests/golden/make_data.py, for check_resample
 * and check_data.
 */
#ifndef TESTS_DATA_GOLDEN_H
#define TESTS_DATA_GOLDEN_H

#include "tests/unit/expect.h"

static const char golden_data[] = "tests/data/golden/data.json";

static inline void sizes_from(int v[3], const struct json *list)
{
    for (int a = 0; a < 3; a++) v[a] = (int)list->item[a]->integer;
}

static inline size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * size[1] * size[2];
}

/* The inputs of tests/golden/make_data.py. */
static inline float formula(size_t i)
{
    return (float)(i * 7919 % 1009) / 8 - 30;
}

#endif
