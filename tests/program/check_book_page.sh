#!/bin/sh
# check_book_page.sh - the book in headless Chromium, opened from a file, as wide as a phone, a tablet and a desk, in
# the light and in the dark: nothing sticks out, letters stand out from what is behind them, the contents have every
# chapter, the search finds each word of the glossary and leads to it. Run by check-all. SHOTS=DIR keeps what is seen
# of each kind of page.
. tests/program/lib.sh
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
if [ -z "$browser" ] || ! command -v node >/dev/null; then
    echo "skipped: chromium or node is not installed"
    finish ", skipped"
    exit 0
fi
export CHROMIUM="$browser"
mkdir -p "$work/book"
sh docs/book/book.sh >"$work/book/book.html" 2>"$work/errors"
ok "the book is not made: $(head -n 1 "$work/errors")" $?
is() { # what, wanted, got
    [ "$3" = "$2" ]
    ok "$1: $3; wanted: $2" $?
}
page() { node tests/program/web_driver.mjs "$work/book/book.html$1" "$2" "$3" 2>&1; } # #HASH SIZE STEP

# The contrast of what the eye has to tell apart, as WCAG 2 defines it: 4.5 to 1 for letters.
faint='(() => {
  const light = c => c.match(/[\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } };
  const search = document.getElementById("search");
  search.value = "voxel";
  search.dispatchEvent(new Event("input"));
  const faint = new Set();
  for (const kind of ["p", "h1", "h2", ".number", "p a", "td", "th", "pre", "pre i", "code", "figcaption", "blockquote", "svg text", "input", "mark", "#found a"]) {
    const all = document.querySelectorAll(kind);
    if (!all.length) faint.add(kind + " is nowhere");
    for (const e of all) {
      const style = getComputedStyle(e), a = light(kind === "svg text" ? style.fill : style.color), b = light(behind(e));
      if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) faint.add(kind);
    }
  }
  search.value = "";
  search.dispatchEvent(new Event("input"));
  return [...faint].join(", ") || "nothing is faint";
})()'
# What is wider than the page, but in a box of its own that scrolls.
wide='(() => {
  const width = document.documentElement.clientWidth, out = new Set();
  if (document.documentElement.scrollWidth > width) out.add("the page by " + (document.documentElement.scrollWidth - width));
  for (const e of document.querySelectorAll("body *")) {
    const r = e.getBoundingClientRect();
    if (r.width && (r.right > width + 1 || r.left < -1) && !e.closest("pre, .wide")) out.add(e.tagName + " " + e.textContent.slice(0, 30));
  }
  return [...out].slice(0, 5).join("; ") || "nothing";
})()'
for size in 390x844,mobile 820x1180,mobile 1280x860 1920x1080; do
    is "$size: sticks out" nothing "$(page '' "size:$size" "print:$wide")"
    is "$size: faint" "nothing is faint" "$(page '' "size:$size" "print:$faint")"
    is "$size, dark: faint" "nothing is faint" "$(page '' "size:$size,dark" "print:$faint")"
done

chapters=$(ls docs/book/[0-9][0-9]_*.md | wc -l)
is "chapters in the contents" "$chapters" \
    "$(page '' size:1280x860 'print:document.querySelectorAll("#contents > ol > li").length')"
is "a chapter by its address" c05_graph "$(page '#c05_graph' size:1280x860 'print:[...document.querySelectorAll("section")]
    .filter(s => Math.abs(s.getBoundingClientRect().top) < 2).map(s => s.id).join()')"
is "words of the glossary that the search does not find in a chapter" none "$(page '' size:1280x860 'print:(() => {
  const search = document.getElementById("search"), missing = [];
  let words = 0;
  for (const cell of document.querySelector("#c24_glossary table").querySelectorAll("td:first-child"))
    for (const word of cell.textContent.split(", ")) {
      words++;
      search.value = word;
      search.dispatchEvent(new Event("input"));
      const links = [...document.querySelectorAll("#found a")];
      const to = links.map(a => document.getElementById(a.getAttribute("href").slice(1)));
      if (!to.every(b => b && b.textContent.toLowerCase().replace(/\s+/g, " ").includes(word.toLowerCase())) ||
          !to.some(b => b.closest("section").id !== "c24_glossary")) missing.push(word);
    }
  return words < 60 ? "only " + words + " words" : missing.join(", ") || "none";
})()')"
is "what is not there" "0 places" "$(page '' size:1280x860 'print:(() => {
  const search = document.getElementById("search");
  search.value = "no such words anywhere";
  search.dispatchEvent(new Event("input"));
  return document.getElementById("found").textContent;
})()')"
is "a place that was found, clicked" seen "$(page '' size:390x844,mobile 'print:(async () => {
  const search = document.getElementById("search");
  search.value = "DeLong";
  search.dispatchEvent(new Event("input"));
  const link = document.querySelector("#found a");
  link.click();
  await new Promise(done => setTimeout(done, 300));
  const r = document.getElementById(link.getAttribute("href").slice(1)).getBoundingClientRect();
  return r.bottom > 0 && r.top < innerHeight ? "seen" : "at " + r.top;
})()')"

if [ -n "$SHOTS" ]; then
    mkdir -p "$SHOTS"
    for size in 390x844,mobile 820x1180,mobile 1280x860 390x844,mobile,dark 820x1180,mobile,dark 1280x860,dark; do
        name=$(echo "$size" | tr ',' '_')
        for place in contents c02_convolution c02_convolution_5 c06_networks_1 c18_ladder_8 c24_glossary; do
            page "#$place" "size:$size" "view:$SHOTS/$name.$place.png"
        done
        node tests/program/web_driver.mjs "$work/book/book.html" "size:$size" 'set:document.getElementById("search").value = "stripe"' \
            'set:document.getElementById("search").dispatchEvent(new Event("input"))' "view:$SHOTS/$name.search.png"
    done
fi
finish
