/* error.h - what the outside world did wrong, in one line.
 *
 * Functions that read files, arguments or peers return 0, or -1 (or NULL) with a message that names the file,
 * the field and the value: "case_07_0000.nii.gz: dim[3] is -4". Libraries never print. Control characters in
 * names and values, which could move a terminal's cursor, stand as \xNN.
 */
#ifndef IO_ERROR_H
#define IO_ERROR_H

struct error {
    char text[1024];
};

/* Writes the message (replacing an earlier one) and returns -1. After success the text means nothing: it may
 * be of a way that was tried first. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int error_set(struct error *e, const char *format, ...);
/* Puts "prefix: " in front of the message and returns -1. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int error_prefix(struct error *e, const char *format, ...);

#endif
