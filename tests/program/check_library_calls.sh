#!/bin/sh
# check_library_calls.sh - every function of nephron.h with each of its arguments wrong in turn: NULL for a
# pointer, -1, 0 or too much for a number. An error with a message or a result, never a crash. Made from the
# header's own list: a function that has no call below fails here. Each call is a process of its own, so that
# one that dies is named.
. tests/program/lib.sh
cc=${CC:-cc}

$nephron train $data -o "$work/run" --epochs 1 --iterations 1 --base-features 4 --patch 16,16,16 --batch 2 \
    --no-validation --quiet
ok "a small run" $?

# A call of each that works. Only what ends in _free, and close, has no more to be told than NULL.
cat >"$work/calls" <<'END'
nephron_open(NEPHRON_API, 1)
nephron_close(n)
nephron_error(n)
nephron_version()
nephron_image_read(n, files, 1)
nephron_image_wrap(n, floats, size, 1, spacing)
nephron_image_free(i)
nephron_image_size(i, numbers_of)
nephron_labels_write(i, file, map)
nephron_model_load(n, run, "0")
nephron_model_create(n, data, options)
nephron_model_parse(n, description, saved, bytes)
nephron_model_describe(m)
nephron_model_save(m, file)
nephron_model_free(m)
nephron_model_info(m, &integer, &integer, &integer)
nephron_weights_count(m)
nephron_weights_get(m, floats, count)
nephron_weights_set(m, floats, count)
nephron_weights_view(m, 1, &name, numbers_of, &offset)
nephron_weights_hash(m)
nephron_predict_bytes(m, i)
nephron_predict(m, i, map, floats)
nephron_predict_file(m, i, file)
nephron_data_open(m, data, "0", NULL)
nephron_data_create(m)
nephron_data_add(d, i, map, 0, 0)
nephron_data_cases(d, &integer)
nephron_data_free(d)
nephron_trainer_open(m, d, "{}", 0)
nephron_trainer_bytes(t)
nephron_train(t, 0, 1, &loss)
nephron_validate(t, &loss, &loss)
nephron_trainer_free(t)
nephron_aggregate(n, "fedavg", floats, in, weights, 2, 3)
nephron_server_open(m, "{}", 2)
nephron_task_count(s)
nephron_server_begin(s, floats, words, &integer)
nephron_client_update(t, s, "a", state, floats, 0, more, numbers)
nephron_server_add(begun, "a", floats, count, numbers)
nephron_server_end(full)
nephron_server_describe(s)
nephron_server_tables(ended, argv[4])
nephron_server_free(s)
nephron_site_key("a", 2)
END

# name|type|argument types, one a line, from the header.
sed -e 's@/\*.*\*/@@' fl/nephron.h | awk '
    /^NEPHRON_EXPORT/ { open = 1; text = "" }
    open { text = text " " $0 }
    open && /;/ { open = 0; sub(/^ *NEPHRON_EXPORT */, "", text); gsub(/[ \t]+/, " ", text)
        name = text; sub(/\(.*/, "", name); type = name; sub(/nephron_[a-z_]*$/, "", type);
            sub(/^.*[ *]/, "", name)
        arguments = text; sub(/^[^(]*\(/, "", arguments); sub(/\);.*/, "", arguments);
            print name "|" type "|" arguments }' >"$work/declared"
[ "$(wc -l <"$work/declared")" = "$(grep -c '^NEPHRON_EXPORT' fl/nephron.h)" ]
ok "the header's list" $?
sed 's/(.*//' "$work/calls" | sort >"$work/called"
cut -d'|' -f1 "$work/declared" | sort >"$work/names"
cmp -s "$work/called" "$work/names"
ok "nephron.h and the calls of this check differ: $(diff "$work/called" "$work/names" | grep '^[<>]' | tr '\n' ' ')" $?

# TRY(first argument is wrong, how it is called, type, call)
awk -F'|' '
    NR == FNR { type[$1] = $2; given[$1] = $3; next }
    { call = $0; name = call; sub(/\(.*/, "", name); inner = call; sub(/^[^(]*\(/, "", inner);
        sub(/\)$/, "", inner)
      t = type[name]
      kind = t ~ /^int / ? "STATUS" : "COUNT"
      kind = t ~ /void $/ ? "NOTHING" : t ~ /char \*/ ? "TEXT" : t ~ /\*/ ? "HANDLE" : kind
      args = split(inner, argument, /, /); split(given[name], declared, ",")
      put(name, kind, 0, args, -1, "")
      for (a = 1; a <= args; a++) {
          if (declared[a] ~ /[*[]/) put(name, kind, a, args, a, "NULL")
          else {
              put(name, kind, a, args, a, "0"); put(name, kind, a, args, a, "(-1)")
              if (declared[a] !~ /vectors|count|bytes|files/) put(name, kind, a, args, a, "2147483647")
          }
      } }
    function put(name, kind, wrong, args, at, value,   k, text) {
        if (wrong == 0 && kind == "NOTHING") return
        if (wrong == 0 && args == 0) { printf "TRY_%s(0, %s());\n", kind, name; return }
        text = name "("
        for (k = 1; k <= args; k++) text = text (k > 1 ? ", " : "") (k == at ? value : argument[k])
        if (name == "nephron_open" && wrong) wrong = 1 # its message is that of NULL
        printf "TRY_%s(%d, %s));\n", kind, wrong, text
    }' "$work/declared" FS='\n' "$work/calls" >"$work/tries.h"
[ "$(wc -l <"$work/tries.h")" -gt 150 ]
ok "$(wc -l <"$work/tries.h") calls are made" $?
$cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-nonnull -I"$work" -Ifl -o "$work/calls_probe" \
    tests/program/library_calls.c libnephron.a -lm -pthread
ok "the calls compile" $?
image=$data/imagesTr/hippocampus_001_0000.nii.gz
"$work/calls_probe" $data "$work/run" $image "$work" >"$work/said"
status=$?
grep FAILED "$work/said"
passed=$((passed + $(sed -n 's/^calls: \([0-9]*\) passed.*/\1/p' "$work/said" || echo 0)))
ok "$(grep -c FAILED "$work/said") calls" $status
finish
