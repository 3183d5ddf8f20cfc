#!/bin/sh
# book.sh - writes the book: one HTML file that needs nothing else, from docs/book/NN_name.md, on the
# standard output. Run from the root of the sources; needs a shell and awk. Fails, naming file and line, where
# an excerpt's marks are not found or a link leads nowhere.
#
# The subset of Markdown: # headings, paragraphs, - and 1. lists, | tables |, ``` code (```sh: commands to
# try), > notes, `code`, **strong**, *emphasis*, [text](target). A target is another chapter
# (02_convolution.md), a file of the sources from the root, or https. One directive, alone on its line, puts
# in lines of a source, with numbers:
#     @code FILE from "text of its first line" to "text of its last line"
# The first line is the first that begins with the text, blanks in front aside; the last is the first from
# there on that does so too. "}" means a brace in the first column: the end of a function. Within a text, the
# number of one line, as a link:
#     @line(FILE "text of the line") or @line(FILE "text of a line" "text of a line after it")
# A table or a drawing that a program wrote is put in from its file, by a line of its own: @include FILE.md or
# FILE.svg
set -e
here=docs/book
[ -f $here/book.sh ] || { echo "book.sh: to be run from the root of the sources" >&2; exit 1; }
chapters=${CHAPTERS:-$(ls $here/[0-9][0-9]_*.md)}
cat $here/head.html
awk -v here=$here '
function fail(text) { print FILENAME ":" FNR ": " text >"/dev/stderr"; failed = 1 }
function escape(s) {
    gsub(/&/, "\\&amp;", s)
    gsub(/</, "\\&lt;", s)
    gsub(/>/, "\\&gt;", s)
    gsub(/"/, "\\&quot;", s)
    return s
}
function exists(path,   line, got) {
    if (!(path in known)) { got = (getline line < path); close(path); known[path] = got >= 0 }
    return known[path]
}
function anchor(s) { sub(/^.*\//, "", s); sub(/\.md$/, "", s); return "c" s }
function link(text, to) {
    if (to ~ /^https:\/\//) return "<a href=\"" to "\">" text "</a>"
    if (to ~ /^[0-9][0-9]_[a-z_]*\.md$/) {
        if (!exists(here "/" to)) fail("no chapter " to)
        return "<a href=\"#" anchor(to) "\">" text "</a>"
    }
    if (!exists(to)) fail("no file " to)
    return "<a href=\"../" to "\">" text "</a>"
}
function emphasis(s,   n, part, i, out) {
    if (s == "") return ""
    n = split(s, part, /\*\*/)
    out = part[1]
    for (i = 2; i <= n; i++) out = out (i % 2 ? "</strong>" : "<strong>") part[i]
    if (n % 2 == 0) fail("** without its other")
    while (match(out, /\*[A-Za-z][^*]*[A-Za-z.]\*/))
        out = substr(out, 1, RSTART - 1) "<em>" substr(out, RSTART + 1, RLENGTH - 2) "</em>" \
            substr(out, RSTART + RLENGTH)
    return out
}
function links(s,   out, body, cut, before, rest) {
    while (match(s, /\[[^]]*\]\([^)]*\)/)) {
        body = substr(s, RSTART + 1, RLENGTH - 2)
        cut = index(body, "](")
        before = substr(s, 1, RSTART - 1)
        rest = substr(s, RSTART + RLENGTH) # emphasis matches too
        out = out emphasis(before) link(substr(body, 1, cut - 1), substr(body, cut + 2))
        s = rest
    }
    return out emphasis(s)
}
function inline(s,   n, part, i, out, cut, tag) {
    if (s == "") return ""
    n = split(escape(numbers(s)), part, "`")
    if (n % 2 == 0) fail("a ` without its other")
    for (i = 1; i <= n; i++) {
        if (i % 2 == 0) out = out "\001" i "\002"
        else out = out part[i]
    }
    out = links(out)
    for (i = 2; i <= n; i += 2) {
        cut = index(out, "\001" i "\002")
        # What is short is not broken, least of all after the hyphen of an option.
        tag = length(part[i]) < 25 ? "<code class=\"whole\">" : "<code>"
        out = substr(out, 1, cut - 1) tag part[i] "</code>" substr(out, cut + length(i) + 2)
    }
    return out
}
function close_block() {
    if (paragraph != "") print "<p>" inline(paragraph) "</p>"
    if (note != "") print "<blockquote>" inline(note) "</blockquote>"
    if (item != "") print "<li>" inline(item) "</li>"
    if (list != "") print "</" list ">"
    if (table) print "</table></div>"
    paragraph = note = item = list = ""
    table = 0
}
function row(s, tag,   n, cell, i) {
    gsub(/^\| *| *\|$/, "", s)
    n = split(s, cell, / *\| */)
    printf "<tr>"
    for (i = 1; i <= n; i++) printf "<%s>%s</%s>", tag, inline(cell[i]), tag
    print "</tr>"
}
# The texts of @line( ) in the order in which they have to come.
function line_number(file, want, count,   line, n, at) {
    at = 1
    while ((getline line < file) > 0) {
        n++
        if (starts(line, want[at]) && ++at > count) break
    }
    close(file)
    if (at <= count) fail(file " has no line that begins with: " want[at])
    return n
}
function numbers(s,   out, body, part, want, n, i) {
    while (match(s, /@line\([^ "]+( "[^"]*")+\)/)) {
        body = substr(s, RSTART + 6, RLENGTH - 7)
        n = split(body, part, "\"")
        for (i = 2; i < n; i += 2) want[i / 2] = part[i]
        sub(/ .*/, "", body)
        out = out substr(s, 1, RSTART - 1) "[line " line_number(body, want, (n - 1) / 2) "](" body ")"
        s = substr(s, RSTART + RLENGTH)
    }
    if (s ~ /@line/) fail("@line(FILE \"...\")")
    return out s
}
function starts(line, mark) {
    if (mark != "}") sub(/^[ \t]+/, "", line)
    return substr(line, 1, length(mark)) == mark
}
function excerpt(s,   part, file, first, last, line, n, begin, end, text) {
    if (split(s, part, "\"") != 5 || part[3] != " to " || part[1] !~ /^@code [^ ]+ from $/) {
        fail("@code FILE from \"...\" to \"...\"")
        return
    }
    file = part[1]
    sub(/^@code /, "", file)
    sub(/ from $/, "", file)
    first = part[2]
    last = part[4]
    while ((getline line < file) > 0) {
        n++
        if (!begin && starts(line, first)) begin = n
        if (!begin) continue
        if (length(line) > 112) fail(file " line " n " is too long for paper")
        text = text sprintf("<i>%d</i> %s\n", n, escape(line))
        if (starts(line, last)) { end = n; break }
    }
    close(file)
    if (!begin) fail(file " has no line that begins with: " first)
    else if (!end) fail(file " has after line " begin " no line that begins with: " last)
    else if (line ~ /([^}],|[(?:|&=+*-])$/) fail(file " line " end " does not end a statement: " line)
    # On paper an excerpt of a third of a page stays together.
    printf "<figure class=\"code%s\"><figcaption>", end - begin < 26 ? " short" : ""
    printf "<a href=\"../%s\">%s</a>, ", file, file
    print (begin == end ? "line " begin : "lines " begin " to " end) "</figcaption>"
    print "<pre>" text "</pre></figure>"
    excerpts++
}
# What a program wrote: rows of a table, or a drawing.
function include(file,   line, n) {
    if (file ~ /\.svg$/) print "<figure>"
    while ((getline line < file) > 0) {
        n++
        if (file ~ /\.svg$/) print line
        else if (line ~ /^\|[-:| ]+\|$/) continue
        else if (line ~ /^\|/) {
            if (!table) { print "<div class=\"wide\"><table>"; row(line, "th"); table = 1 }
            else row(line, "td")
        } else { close_block(); if (line != "") print "<p>" inline(line) "</p>" }
    }
    close(file)
    close_block()
    if (file ~ /\.svg$/) print "</figure>"
    if (!n) fail("no file " file)
}
# The end of a chapter: the ways on, and back to the contents.
function turn_page(next_file) {
    close_block()
    if (chapters > 0) {
        printf "<p class=\"turn\">"
        if (last_file != "") printf "<a href=\"#%s\">previous chapter</a> ", anchor(last_file)
        printf "<a href=\"#contents\">contents</a>"
        if (next_file != "") printf " <a href=\"#%s\">next chapter</a>", anchor(next_file)
        print "</p></section>"
    }
    last_file = this_file
    this_file = next_file
    chapters++
}
FNR == 1 {
    turn_page(FILENAME)
    sections = 0
    print "<section id=\"" anchor(FILENAME) "\">"
}
fenced && /^```/ { print "</pre>"; fenced = 0; next }
fenced { print escape($0); next }
/^```/ { close_block(); printf $0 == "```sh" ? "<pre class=\"try\">" : "<pre>"; fenced = 1; next }
/^@code / { close_block(); excerpt($0); next }
/^@include / { close_block(); include($2); next }
/^#+ / {
    close_block()
    level = index($0, " ") - 1
    title = substr($0, level + 2)
    id = level == 1 ? "" : " id=\"" anchor(FILENAME) "_" ++sections "\""
    number = level == 1 ? "<span class=\"number\">" chapters "</span> " : ""
    print "<h" level id ">" number inline(title) "</h" level ">"
    next
}
/^\|/ {
    if (!table) close_block()
    if ($0 ~ /^\|[-:| ]+\|$/) next
    if (!table) { print "<div class=\"wide\"><table>"; row($0, "th"); table = 1 }
    else row($0, "td")
    next
}
# A number that a line of a paragraph happens to begin with is none of a list.
/^- / || /^1\. / || (/^[0-9]+\. / && paragraph == "") {
    kind = $0 ~ /^- / ? "ul" : "ol"
    if (list != kind) { close_block(); print "<" kind ">"; list = kind }
    if (item != "") print "<li>" inline(item) "</li>"
    item = $0
    sub(/^(-|[0-9]+\.) /, "", item)
    next
}
/^> / { if (note == "") close_block(); note = note (note == "" ? "" : " ") substr($0, 3); next }
/^[ \t]*$/ { close_block(); next }
{
    if (item != "") { sub(/^ +/, ""); item = item " " $0; next }
    if (table || note != "") close_block()
    paragraph = paragraph (paragraph == "" ? "" : " ") $0
}
END {
    turn_page("")
    if (fenced) fail("code that does not end")
    if (failed) exit 1
}' $chapters
cat $here/tail.html
