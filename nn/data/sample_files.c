/* sample_files.c - a file of a case: its volume, and how many channels it holds. */
#include "nn/data/sample.h"

int sample_read_volume(struct volume *v, const char *path, const struct image_choice *choice, int header_only,
                       struct error *e)
{
    return volume_read_choice(v, NULL, path, choice, header_only ? VOLUME_HEADER : 0, e);
}

int sample_channels(const char *const *paths, int files, const struct image_choice *choice, struct error *e)
{
    int64_t sum = 0;
    for (int i = 0; i < files && sum <= CHANNELS_MAX; i++) {
        struct volume v;
        if (sample_read_volume(&v, paths[i], choice, 1, e)) return -1;
        sum += v.size[3];
    }
    return sum > CHANNELS_MAX ? CHANNELS_MAX + 1 : (int)sum;
}
