#!/bin/sh
# check_reproducible.sh - two builds of the same sources are the same bytes: program and archive, static, from
# two folders whose names differ in length, with other locale, time zone and umask, by two users (where this
# one may become another) and on two days (where faketime is installed). Prints the SHA-256. Takes two whole
# builds: run by check-all. OPTIMISE: another than -O2.
. tests/program/lib.sh
remark=
jobs=$(getconf _NPROCESSORS_ONLN)
sources="Makefile tensor nn fl io apps"

copy() { # folder
    mkdir -p "$1" && tar cf - --exclude='*.o' --exclude='*.d' --exclude='*.a' $sources | tar xf - -C "$1"
}
build() { # folder, then what runs the command
    folder=$1
    shift
    "$@" make -C "$folder" -j"$jobs" nephron libnephron.a CC="${CC:-cc}" \
        CFLAGS="${OPTIMISE:--O2} -g -static -ffile-prefix-map=$folder=." >"$folder.log" 2>&1
    ok "$folder builds: $(tail -n 2 "$folder.log")" $?
}

chmod 755 "$work"
copy "$work/a"
copy "$work/a folder with a longer name"
mv "$work/a folder with a longer name" "$work/elsewhere-and-longer"
build "$work/a" env LC_ALL=C TZ=UTC

later=
if command -v faketime >/dev/null; then later="faketime -f +400d"; else remark=", another day skipped"; fi
other=
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && id nobody >/dev/null 2>&1; then
    other="setpriv --reuid nobody --regid nogroup --clear-groups"
    chown -R nobody "$work/elsewhere-and-longer"
else remark="$remark, another user skipped"; fi
umask 077
build "$work/elsewhere-and-longer" env LC_ALL=C.UTF-8 TZ=Asia/Tokyo HOME=/ $other $later

for file in nephron libnephron.a; do
    same "$file of two builds" "$work/a/$file" "$work/elsewhere-and-longer/$file"
done
echo "nephron $(sha256sum "$work/a/nephron" | cut -d' ' -f1)"
# The test is tested: a build that knows the time is found out.
printf 'const char *when = __TIME__ __DATE__;\n' >"$work/w.c"
if [ -n "$later" ]; then
    ${CC:-cc} -c "$work/w.c" -o "$work/now.o" && $later ${CC:-cc} -c "$work/w.c" -o "$work/then.o"
    ! cmp -s "$work/now.o" "$work/then.o"
    ok "another day is another day for the compiler" $?
fi
finish "$remark"
