#!/bin/sh
# check_docs.sh - README and docs against the program and the tree: every `nephron COMMAND` is a command, each
# of its options one that the command's help has, with a value that the help lists; every option that the text
# names alone is some command's; every file, link, make target, commit and environment variable that is named
# is there; what is to be typed is what a clean clone has; README's rooms are those that there are.
. tests/program/lib.sh

documents=${DOCUMENTS:-"README.md $(ls docs/*.md docs/book/*.md docs/ladder/*.md)"}
git ls-files >"$work/files" 2>/dev/null || find . -type f | sed 's|^\./||' >"$work/files"

# What the program knows: command, option, the values that it may have (or -).
for command in $("$nephron" help | awk '/^  [a-z]+ /{ print $1 }'); do
    echo "$command - -"
    COLUMNS=10000 "$nephron" help "$command" | awk -v command="$command" '
        /^ +(-[a-z], +)?--[a-z]/ {
            values = "-"
            if (match($0, /\([a-z0-9_]+(\|[a-z0-9_]+)+\)$/)) values = substr($0, RSTART + 1, RLENGTH - 2)
            if (match($0, /--[a-z0-9-]+ [0-9](\|[0-9])+ /)) values = "-"
            match($0, /--[a-z0-9-]+/)
            print command, substr($0, RSTART, RLENGTH), values
            if (match($0, /^ +-[a-z],/)) { gsub(/[ ,]/, "", $1); print command, $1, values }
        }'
    echo "$command --threads -"
    echo "$command -j -"
    echo "$command --seed -"
    echo "$command --quiet -"
    echo "$command -q -"
done >"$work/known"
[ "$(awk '$2 ~ /^--/' "$work/known" | wc -l)" -ge 200 ] &&
    grep -q '^federate --strategy .*|scaffold|' "$work/known"
ok "the options are not read from the help" $?

# The pieces of code of a document, one a line, with its file and line: fenced or indented blocks, whose lines
# are joined at a backslash, and what stands between backticks in a paragraph.
awk '
    function spans(   n, part, i) {
        n = split(text, part, "`")
        for (i = 2; i <= n; i += 2) print at "\tspan\t" part[i]
        text = ""
    }
    function code(line) {
        if (line ~ /\\$/) { sub(/\\$/, "", line); joined = joined line; return }
        print FILENAME ":" FNR "\tcode\t" joined line
        joined = ""
    }
    FNR == 1 { spans(); fenced = 0; listed = 0; blank = 1 }
    /^```/ { spans(); fenced = !fenced; next }
    fenced { code($0); next }
    /^(    |\t)/ && (blank || indented) && !listed { spans(); code($0); indented = 1; next }
    joined != "" { code($0); next }
    { indented = 0; blank = /^[ \t]*$/ }
    /^[ \t]*$/ { spans(); next }
    { if (/^[^ ]/) listed = /^(-|[0-9]+\.) / }
    /^(\||#|-|[0-9]+\. )/ { spans() }
    { if (text == "") at = FILENAME ":" FNR; text = text (text == "" ? "" : " ") $0; sub(/ > /, " ", text) }
    END { spans() }' $documents >"$work/pieces"

# Calls of the program: what stands behind it, up to the end of the command.
awk -F '\t' '
    {
        rest = $3
        sub(/(^| )# .*/, "", rest)
        while (match(rest, /(^|[ \/(])nephron(-mpi)? +[a-z]+/)) {
            call = substr(rest, RSTART)
            sub(/^.*nephron(-mpi)? +/, "", call) # the last in the piece: those before are cut off below
            call = substr(rest, RSTART)
            sub(/^[ \/(]?nephron(-mpi)? +/, "", call)
            rest = substr(rest, RSTART + RLENGTH)
            sub(/( [;|&>]|[;)]| \.\.\.).*/, "", call)
            sub(/^ */, "", call)
            if ($2 == "code" && $3 ~ /^[^ ].*[^.]nephron [a-z]+ [a-z]+ [a-z]+ / && call !~ / -/) continue
            print $1 "\t" call
        }
    }' "$work/pieces" >"$work/calls"
calls=$(wc -l <"$work/calls")
[ -n "$DOCUMENTS" ] || [ "$calls" -ge 80 ]
ok "only $calls calls of the program found" $?

awk '
    FILENAME == ARGV[1] { known[$1, $2] = $3; any[$2] = 1; next }
    {
        n = split($0, part, "\t")
        n = split(part[2], word, " +")
        command = word[1]
        if (command == "help") command = word[2]
        if (command == "" || command ~ /^[A-Z]/) next
        if (!((command, "-") in known)) { print part[1] ": no command " command; next }
        for (i = 2; i <= n; i++) {
            option = word[i]
            if (option !~ /^--?[a-z]/) continue
            sub(/[,.:]$/, "", option)
            value = word[i + 1]
            if (option ~ /=/) { value = option; sub(/^[^=]*=/, "", value); sub(/=.*/, "", option) }
            if (!((command, option) in known)) { print part[1] ": " command " has no " option; continue }
            sub(/[,.:]$/, "", value)
            values = known[command, option]
            if (values != "-" && value ~ /^[a-z0-9_]+$/ && index("|" values "|", "|" value "|") == 0)
                print part[1] ": " command " " option " is one of " values ", not " value
        }
    }' "$work/known" "$work/calls" >"$work/wrong"
[ ! -s "$work/wrong" ]
ok "$(cat "$work/wrong")" $?

# Options that stand alone between backticks: of a command, of a test or script of the tree, or of one of the
# other programs here: Flower (three), the NVFlare app, nnU-Net.
others=" --disable-runtime-dependency-installation --run-config --node-config --simulate \
    --verify_dataset_integrity "
awk -v others="$others" -F '\t' '
    FILENAME == ARGV[1] { split($0, part, " "); any[part[2]] = 1; next }
    $2 == "span" && $3 ~ /^--[a-z]/ {
        n = split($3, word, /[ =|\/]+/)
        for (i = 1; i <= n; i++) {
            sub(/[,.:]$/, "", word[i])
            if (word[i] !~ /^--[a-z]/ || word[i] ~ /-$/ || word[i] in any) continue
            if (index(others, " " word[i] " ") == 0) print $1, word[i]
        }
    }' "$work/known" "$work/pieces" |
    while read -r at option; do
        grep -rqE --include='*.c' --include='*.py' -e "[\"' ]$option[\"' ]" tests apps ||
            echo "$at: no command has $option"
    done >"$work/wrong"
[ ! -s "$work/wrong" ]
ok "$(cat "$work/wrong")" $?

# Options that are given to a script of the tree stand in the script.
awk -F '\t' '{
        gsub(/"[^"]*"/, "TEXT", $3)
        n = split($3, word, /[ =]+/)
        script = ""
        for (i = 1; i <= n; i++) {
            if (word[i] ~ /^[;|&]+$|;$/) script = ""
            else if (word[i] ~ /^(tests|apps|docs)\/[a-z0-9_\/]+\.(py|sh)$/) script = word[i]
            else if (script != "" && word[i] ~ /^--[a-z]/) print $1, script, word[i]
        }
    }' "$work/pieces" | while read -r at script option; do
        [ ! -f "$script" ] || grep -qE -e "[\"' ]$option([^a-z-]|$)" "$script" ||
            echo "$at: $script has no $option"
    done >"$work/wrong"
[ ! -s "$work/wrong" ]
ok "$(cat "$work/wrong")" $?

# Files of the tree, targets of make and environment variables that the text names.
awk -F '\t' '{
        n = split($3, word, /[ ()<>;,=]+/)
        for (i = 1; i <= n; i++) {
            sub(/[:.]$/, "", word[i])
            sub(/^\.\//, "", word[i])
            if (word[i] ~ /^(tensor|io|nn|fl|apps|tests|docs)\/[A-Za-z0-9_.\/-]+\.[a-z0-9]+$/ &&
                word[i] !~ /NAME/) print $1, "file", word[i]
            if (word[i] == "make" && word[i + 1] ~ /^[a-z][a-z0-9_\/-]*$/) print $1, "target", word[i + 1]
            if (word[i] ~ /^NEPHRON_[A-Z]+$/) print $1, "variable", word[i]
        }
    }' "$work/pieces" >"$work/named"
for document in $documents; do
    case $document in docs/book/*) continue ;; esac # its links are book.sh's affair
    grep -noE '\]\([^):]+\)' "$document" | sed -e 's/#.*/)/' -e 's/^\([0-9]*\):\](\(.*\))$/\1 \2/' |
        while read -r line target; do
            [ -z "$target" ] || [ -e "$(dirname "$document")/$target" ] ||
                echo "$document:$line: no file $target"
        done
done >"$work/wrong"
while read -r at kind name; do
    case $kind in
    file) grep -qxF "$name" "$work/files" || echo "$at: no file $name" ;;
    target)
        case $name in
        */*) grep -qE "(^|[ 	])$name( |\$)" Makefile ;;
        *) grep -qE "^$name:|^\.PHONY:.* $name( |\$)" Makefile || [ -e "$name" ] ;;
        esac || echo "$at: no make $name"
        ;;
    variable) grep -rqw "$name" tensor apps fl tests --include='*.c' --include='*.h' --include='*.py' \
        --include='*.sh' --exclude=check_docs.sh ||
        echo "$at: nobody reads $name" ;;
    esac
done <"$work/named" >>"$work/wrong"
[ ! -s "$work/wrong" ]
ok "$(cat "$work/wrong")" $?

# What is to be typed is ./nephron, as a clean clone has it, but where a page says that it is installed.
awk -F '\t' '$2 == "code" && $3 ~ /^ *nephron(-mpi)? [a-z]/ && $1 !~ /^docs\/(hospitals|bridges)\.md/ {
        sub(/^ */, "", $3)
        print $1 ": ./nephron, not " substr($3, 1, 30) }' "$work/pieces" >"$work/wrong"
[ ! -s "$work/wrong" ]
ok "$(cat "$work/wrong")" $?

# Prose has 110 columns (bytes that continue a character of UTF-8 are none).
LC_ALL=C awk '/^```/ { fenced = !fenced } fenced || /^(\||!|@|    )/ { next }
    { text = $0; gsub(/[\200-\277]/, "", text) }
    length(text) > 110 && FILENAME !~ /^docs\/ladder\// { print FILENAME ":" FNR ": has " length(text) " columns" }' $documents >"$work/wrong"
[ ! -s "$work/wrong" ]
ok "$(cat "$work/wrong")" $?

# Each page is linked from another, and each commit that is named is one.
if [ -z "$DOCUMENTS" ]; then
    for page in docs/*.md; do
        name=$(basename "$page")
        grep -lE "\]\((docs/)?$name\)" README.md docs/*.md | grep -qvx "$page"
        ok "no page links $page" $?
    done
fi
if [ "$(git rev-parse --is-shallow-repository 2>/dev/null)" = false ]; then
    cat $documents | grep -oE '\b[0-9a-f]{7}\b' | grep '[a-f]' | grep '[0-9]' | sort -u |
        while read -r commit; do
            git rev-parse -q --verify "$commit^{commit}" >/dev/null || echo "no commit $commit"
        done >"$work/wrong"
    [ ! -s "$work/wrong" ]
    ok "$(cat "$work/wrong")" $?
fi

# What docs/tour.md calls by a name with _ is in the sources.
if [ -z "$DOCUMENTS" ]; then
    find tensor io nn fl apps tests -name '*.[ch]' -exec cat {} + >"$work/sources"
    cat Makefile >>"$work/sources"
    grep -oE '`[a-z][a-z0-9]*(_[a-z0-9]+)+`' docs/tour.md | tr -d '`' | sort -u |
        while read -r name; do
            grep -qwF -- "$name" "$work/sources" || echo "docs/tour.md: nothing is called $name"
        done >"$work/wrong"
    [ ! -s "$work/wrong" ]
    ok "$(cat "$work/wrong")" $?
fi

# README's rooms are those of check_layers.sh, in its order.
if [ -z "$DOCUMENTS" ]; then
    for room in tensor io nn fl; do
        wanted=$(sed -n '/^order=/,/"$/p' tests/check_layers.sh | tr -c 'a-z_/' '\n' | sed -n "s|^$room/||p" |
            tr '\n' ' ')
        told=$(grep "^| .$room/. |" README.md | cut -d '|' -f 3 | sed 's/([^)]*)//g' |
            grep -o '`[a-z]*`' | tr -d '`' | tr '\n' ' ')
        [ -n "$wanted" ] && [ "$told" = "$wanted" ]
        ok "README has the rooms $told of $room, check_layers.sh $wanted" $?
    done
fi

# The table of a study's presets has the cases and the difficulty of each.
awk '/\.preset = "/ { split($0, part, "\""); preset = part[2] }
    /^ *\.cases = / { cases = $3 + 0 }
    /^ *\.difficulty = / { print preset, cases, $3 + 0 }' apps/command/cmd_study.c >"$work/presets"
while read -r preset cases difficulty; do
    grep -q "^| \`$preset\` | $cases .*difficulty $difficulty[ ,]" docs/study.md
    ok "docs/study.md does not tell of $preset that it has $cases cases of difficulty $difficulty" $?
done <"$work/presets"
[ "$(cut -d ' ' -f 1 "$work/presets" | tr '\n' '|')" = "$(sed -n 's/^study --preset //p' "$work/known")|" ]
ok "presets in apps/command/cmd_study.c: $(tr '\n' ';' <"$work/presets")" $?

# The table of strategies has each that there is, and their number is theirs.
count=$(sed -n 's/^federate --strategy //p' "$work/known" | tr '|' '\n' | wc -l)
grep -q "has $count aggregation strategies" docs/use.md
ok "docs/use.md does not say that there are $count strategies" $?
for name in $(sed -n 's/^federate --strategy //p' "$work/known" | tr '|' ' '); do
    grep -q "^| \`$name\` | ." docs/use.md
    ok "docs/use.md does not tell the strategy $name" $?
done

# The faults are seen: a document with one of each kind.
if [ -z "$DOCUMENTS" ]; then
    cat >"$work/faults.md" <<'END'
# Faults

Say `nephron trian DATA`, or `nephron predict RUN --stepp 0.5`, or a lone `--no-such-option`, or
a span `nephron federate DATA --strategy
fedaverage` over two lines; read [this](nowhere.md) and `tensor/base/nothing.c`; `make nothing`;
`NEPHRON_NOTHING`.

    nephron plan DATA \
        --preset largest
    python tests/bench/hours.py DATA WORK --days 1

Commit abcdef0.

END
    printf 'This is longer. %.0s' 1 2 3 4 5 6 7 8 >>"$work/faults.md"
    DOCUMENTS=$work/faults.md NEPHRON=$nephron sh tests/program/check_docs.sh >"$work/seen"
    while read -r text; do
        grep -qF -- "$text" "$work/seen"
        ok "the planted fault is not seen: $text" $?
    done <<'END'
no command trian
predict has no --stepp
no command has --no-such-option
not fedaverage
no file nowhere.md
no file tensor/base/nothing.c
no make nothing
nobody reads NEPHRON_NOTHING
not largest
tests/bench/hours.py has no --days
./nephron, not nephron plan DATA
no commit abcdef0
has 128 columns
END
fi
finish
