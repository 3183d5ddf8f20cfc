#!/bin/sh
# embed.sh FILE... - prints a C file that holds the files as tables of lines (device_sources.h). Includes
# from the tree's root
# become includes of the file beside; device_main.c is to be called main.c.
echo '/* Written by nn/device/embed.sh. */'
echo '#include "nn/device/device_sources.h"'
echo '#include <stddef.h>'
for file in "$@"; do
    echo "static const char *const $(basename "$file" | tr . _)[] = {"
    sed -e 's|#include "nn/device/|#include "|' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&\\n",/' "$file"
    echo '    NULL};'
done
echo 'const struct device_source device_sources[] = {'
for file in "$@"; do
    name=$(basename "$file")
    [ "$name" = device_main.c ] && written=main.c || written=$name
    echo "    {\"$written\", $(echo "$name" | tr . _)},"
done
echo '    {NULL, NULL}};'
