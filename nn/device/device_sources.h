/* device_sources.h - the source files that an exported network is given as they are, as the build embedded
 * them (embed.sh). */
#ifndef NN_DEVICE_SOURCES_H
#define NN_DEVICE_SOURCES_H

struct device_source {
    const char *name;         /* of the file to write; NULL behind the last */
    const char *const *line;  /* with their ends; NULL behind the last */
};
extern const struct device_source device_sources[];

#endif
