/* fingerprint_json.h - the exact fingerprint of a site as a file. */
#ifndef FL_FINGERPRINT_JSON_H
#define FL_FINGERPRINT_JSON_H

#include "fl/fingerprint/site_fingerprint.h"

int site_fingerprint_write(const struct site_fingerprint *f, const char *path, struct error *e);
int site_fingerprint_read(struct site_fingerprint *f, const char *path, struct error *e);

#endif
