#!/bin/sh
# check_book.sh - the book: every excerpt and every link of docs/book leads somewhere, and one that does not
# is named with its line; drawings are what docs/drawings makes; programs of docs/exercises print their
# answers.
. tests/program/lib.sh

sh docs/book/book.sh >"$work/book.html" 2>"$work/errors"
ok "the book is not made: $(head -n 3 "$work/errors")" $?
chapters=$(ls docs/book/[0-9][0-9]_*.md | wc -l)
[ "$(grep -c '^<section id=' "$work/book.html")" -eq "$chapters" ] && grep -q '^</html>' "$work/book.html"
ok "the book has not its $chapters chapters" $?
for chapter in docs/book/[0-9][0-9]_*.md; do
    case $chapter in
    *_glossary.md) ;;
    *)
        grep -q '^@include docs/.*\.svg$' $chapter
        ok "$chapter has no drawing" $?
        ;;
    esac
    excerpts=2
    case $chapter in *_glossary.md) excerpts=0 ;; esac
    [ "$(grep -c '^@code ' $chapter)" -ge $excerpts ] && grep -q '^## Try it' $chapter &&
        [ "$(grep -c '^[12]\. ' $chapter)" -ge 2 ]
    ok "$chapter has no two excerpts, nothing to try or no two exercises" $?
    # Each section has something to try: a block of commands.
    awk '/^```/{ inside = !inside; if (inside && /^```sh$/) tried = 1; next } inside { next }
        /^## /{ if (section && !tried) print section; section = /^## Exercises/ ? "" : $0; tried = 0 }
        END { if (section && !tried) print section }' $chapter >"$work/untried"
    [ ! -s "$work/untried" ]
    ok "$chapter: nothing to try in: $(head -n 1 "$work/untried")" $?
done

# Ways back: each source that a chapter shows or links, and each of a room that a chapter is about, names the
# chapter in its opening comment.
for chapter in docs/book/[0-9][0-9]_*.md; do
    name=$(basename $chapter)
    case $name in *_glossary.md) continue ;; esac
    {
        tr '\n' ' ' <$chapter | grep -oE '(@code |@line\(|\]\()[a-z]+/[a-z0-9_/]+\.[ch]' | sed 's/.*[( ]//'
        case $name in
        09_*) ls nn/optimize/optimizer*.c ;;
        10_*) ls nn/planner/*.c ;;
        11_*) ls nn/batch/*.c ;;
        15_*) ls fl/strategy/*.c ;;
        16_*) ls fl/privacy/*.c ;;
        19_*) ls tensor/direct/*.c ;;
        20_*) ls tensor/winograd/winograd*.c ;;
        21_*) ls tensor/winograd/int16*.c tensor/tiles/*.c ;;
        esac
    } | grep -v '^docs/exercises/' | sort -u >"$work/explained"
    [ -s "$work/explained" ]
    ok "$chapter explains no source" $?
    while read -r source; do
        sed '/\*\//q' "$source" | grep -q "The book: docs/book/.*$name"
        ok "the opening comment of $source does not lead to $chapter" $?
    done <"$work/explained"
done
grep -rh 'The book: docs/book/' --include='*.[ch]' tensor io nn fl apps docs tests | grep -o '[0-9][0-9]_[a-z_]*\.md' |
    sort -u >"$work/named"
while read -r name; do [ -f "docs/book/$name" ] || echo "$name"; done <"$work/named" >"$work/missing"
[ -s "$work/named" ] && [ ! -s "$work/missing" ]
ok "a source names a chapter that is not there: $(head -n 1 "$work/missing")" $?

# A row of the glossary: each of its words is in a chapter that the row names, and each chapter has one of
# the words.
awk 'function has(file, word,   line, text) {
        if (!(file in texts)) {
            while ((getline line < ("docs/book/" file)) > 0) text = text " " tolower(line)
            gsub(/ +/, " ", text)
            texts[file] = text
        }
        return index(texts[file], word)
    }
    /^\| .*\]\([0-9][0-9]_[a-z_]*\.md\)/ {
        split($0, cell, / *\| */)
        gsub(/`/, "", cell[2])
        words = split(tolower(cell[2]), word, ", ")
        for (chapters = 0; match(cell[4], /[0-9][0-9]_[a-z_]*\.md/); chapters++) {
            chapter[chapters] = substr(cell[4], RSTART, RLENGTH)
            cell[4] = substr(cell[4], RSTART + RLENGTH)
        }
        for (w = 1; w <= words; w++) {
            for (c = found = 0; c < chapters; c++) found += has(chapter[c], word[w]) > 0
            print (found ? "in" : "not in") " a chapter of its row: " word[w]
        }
        for (c = 0; c < chapters; c++) {
            for (w = 1; w <= words && !has(chapter[c], word[w]); w++) ;
            if (w > words) print "not in " chapter[c] ": " cell[2]
        }
    }' docs/book/27_glossary.md >"$work/words"
[ "$(grep -c '^in' "$work/words")" -gt 60 ] && ! grep -q '^not in' "$work/words"
ok "the glossary: $(grep -c '^in' "$work/words") words, $(grep '^not in' "$work/words" | head -n 3 |
    tr '\n' ';')" $?

# A calculation prints what the comment below it says.
cat docs/book/[0-9][0-9]_*.md | awk -v to="$work/calculation" '
    /^```/{ inside = !inside && /^```sh$/; count += inside; file = to count ".sh"; next }
    inside { print >file }'
calculations=0
for block in "$work"/calculation*.sh; do
    grep -q '^awk ' "$block" && grep -q '^# ' "$block" || continue
    calculations=$((calculations + 1))
    [ "$(sh "$block" 2>&1 | tr -s ' \n' ' ' | sed 's/ $//')" = "$(sed -n 's/^# //p' "$block")" ]
    ok "a calculation does not print $(sed -n 's/^# //p' "$block"): $(sh "$block" 2>&1 | head -n 1)" $?
done
[ $calculations -gt 50 ]
ok "only $calculations calculations" $?

# The drawings: those of the tree are what the program makes, and each is in a chapter.
mkdir "$work/drawings"
${CC:-cc} -O1 -std=c11 -D_GNU_SOURCE -ffp-contract=off -pthread -I. -o "$work/draw" docs/drawings/*.c \
    libnephron.a -lm \
    >"$work/errors" 2>&1 && "$work/draw" "$work/drawings"
ok "the drawings are not made: $(head -n 3 "$work/errors")" $?
for drawing in "$work"/drawings/*.svg docs/drawings/*.svg; do
    name=$(basename "$drawing")
    cmp -s "$work/drawings/$name" "docs/drawings/$name" &&
        grep -qxF "@include docs/drawings/$name" docs/book/[0-9][0-9]_*.md
    ok "docs/drawings/$name is not what \`make drawings\` makes, or in no chapter" $?
done

# A chart says what goes upwards, in the tree's words: below it, on its left, or along the axis.
charts=0
for name in $(awk '/^static void [a-z_]*\(FILE \*f\)/ { split($3, n, "("); name = n[1] }
    /const struct plot p/ && name { print name; name = "" }' docs/drawings/draw_*.c); do
    charts=$((charts + 1))
    grep -qE 'upwards|rotate\(-90\)|on the left|>pull<' "docs/drawings/$name.svg"
    ok "docs/drawings/$name.svg: a chart without a title of its axes" $?
done
[ $charts -ge 6 ] && grep -q '>GFLOP a second<' docs/ladder/ladder.svg
ok "$charts charts; the ladder's unit" $?

# The exercises: each program says by its exit code whether it has its answer, and what a chapter says that it
# prints is printed.
for source in docs/exercises/*.c; do
    name=$(basename "$source" .c)
    ${CC:-cc} -O1 -std=c11 -D_GNU_SOURCE -ffp-contract=off -pthread -I. -o "$work/$name" "$source" \
        libnephron.a -lm \
        >"$work/errors" 2>&1 &&
        "$work/$name" >"$work/$name.out"
    ok "$source has not its answer: $(head -n 3 "$work/errors")" $?
    chapter=$(grep -l "docs/exercises/$name.c" docs/book/[0-9][0-9]_*.md)
    [ -n "$chapter" ] && grep -q "EXERCISES" Makefile && grep -q "build/$name\b" Makefile
    ok "$source is in no chapter or not in the Makefile" $?
    tr '\n' ' ' <$chapter | sed 's/ > / /g' |
        grep -oE "exercises/$name\.c\) prints (\`[^\`]*\`(, | and )?)+" |
        grep -o '`[^`]*`' | tr -d '`' |
        while read -r line; do grep -qF -- "$line" "$work/$name.out" || echo "$line"; done >"$work/missing"
    [ ! -s "$work/missing" ]
    ok "$source does not print what $chapter says: $(head -n 1 "$work/missing")" $?
done

# The ladder: every rung against the definition.
${CC:-cc} -O2 -std=c11 -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -pthread -I. -o "$work/ladder" \
    docs/ladder/*.c libnephron.a -lm \
    >"$work/errors" 2>&1 && "$work/ladder" --check >>"$work/errors" 2>&1 ||
    grep -q '^ladder: .* this processor does not have$' "$work/errors"
ok "the ladder: $(grep -v ' passed, ' "$work/errors" | head -n 3)" $?
for rung in docs/ladder/rung_*.[ch]; do
    [ "$(wc -l <"$rung")" -lt 120 ]
    ok "$rung is no rung that one reads in one go: $(wc -l <"$rung") lines" $?
done

# The lines that an excerpt shows are the lines of the file.
printf '# A\n\n@code tensor/base/pool.c from "static void run_share" to "}"\n' >"$work/01_a.md"
CHAPTERS="$work/01_a.md" sh docs/book/book.sh >"$work/a.html"
sed -n '/<figure class="code/,/<\/figure>/s/^.*<i>[0-9]*<\/i> //p' "$work/a.html" |
    sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g' >"$work/shown"
sed -n '/^static void run_share/,/^}/p' tensor/base/pool.c >"$work/code"
[ -s "$work/code" ] && cmp -s "$work/shown" "$work/code"
ok "an excerpt is not the code" $?

refuses() { # what the error says, the third line of a chapter
    printf '# A\n\n%s\n' "$2" >"$work/01_a.md"
    CHAPTERS="$work/01_a.md" sh docs/book/book.sh >/dev/null 2>"$work/errors"
    code=$?
    [ $code -ne 0 ] && grep -q "01_a.md:.*$1" "$work/errors"
    ok "exit $code, and not '$1': $2: $(head -n 1 "$work/errors")" $?
}

refuses 'no line that begins with: nowhere' '@code tensor/base/pool.c from "nowhere" to "}"'
refuses 'after line .* no line that begins with: nowhere' \
    '@code tensor/base/pool.c from "static void run_share" to "nowhere"'
refuses 'no line that begins with' '@code tensor/base/no_such.c from "a" to "b"'
refuses '@code FILE' '@code tensor/base/pool.c'
refuses 'no line that begins with: nowhere' 'See @line(tensor/base/pool.c "nowhere").'
refuses 'no file tensor/no_such.c' 'See [this](tensor/no_such.c).'
refuses 'no file docs/no_such.svg' '@include docs/no_such.svg'
refuses 'no chapter 99_none.md' 'See [this](99_none.md).'
refuses 'without its other' 'An `open end.'
refuses 'does not end' '```'
finish
