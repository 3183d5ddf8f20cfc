#!/bin/sh
# check_book_page.sh - the book in headless Chromium, opened from a file, as wide as a phone, a tablet and a
# desk, in the light and in the dark: nothing sticks out, letters stand out from what is behind them, the
# contents have every chapter, the search finds each word of the glossary and leads to it. Run by check-all.
# SHOTS=DIR keeps what is seen of each kind of page.
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

# What the tests below ask, as functions of the page. search(words) types them and returns the links.
cat >"$work/asks.js" <<'END'
window.by = id => document.getElementById(id);
window.search = words => {
  by('search').value = words;
  by('search').dispatchEvent(new Event('input'));
  return [...document.querySelectorAll('#found a')];
};
window.target = link => by(link.getAttribute('href').slice(1));
window.later = () => new Promise(done => setTimeout(done, 300));
// What is wider than the page, but in a box of its own that scrolls.
window.wide = () => {
  const width = document.documentElement.clientWidth, out = new Set();
  if (document.documentElement.scrollWidth > width) out.add('the page');
  for (const e of document.querySelectorAll('body *')) {
    const r = e.getBoundingClientRect();
    if (r.width && (r.right > width + 1 || r.left < -1) && !e.closest('pre, .wide'))
      out.add(e.tagName + ' ' + e.textContent.slice(0, 30));
  }
  return 'sticks out: ' + ([...out].slice(0, 5).join('; ') || 'nothing');
};
// Letters of less contrast than 4.5 to 1, as WCAG 2 defines it.
window.faint = () => {
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => {
    const [r, g, b] = c.match(/[\d.]+/g).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const behind = e => {
    const c = getComputedStyle(e).backgroundColor;
    return /, 0\)$/.test(c) ? behind(e.parentElement) : c;
  };
  const out = new Set();
  search('voxel');
  for (const kind of ['p', 'h1', 'h2', '.number', 'p a', 'td', 'th', 'pre', 'pre i', 'code', 'figcaption',
                      'blockquote', 'svg text', 'input', 'mark', '#found a']) {
    const all = document.querySelectorAll(kind);
    if (!all.length) out.add('no ' + kind);
    for (const e of all) {
      const style = getComputedStyle(e), a = light(kind === 'svg text' ? style.fill : style.color);
      const b = light(behind(e));
      if (Math.max(a, b) / Math.min(a, b) < 4.5) out.add(kind);
    }
  }
  search('');
  return 'faint: ' + ([...out].join(', ') || 'nothing');
};
// Words of the glossary that the search does not find in a chapter, or of which a link leads elsewhere.
window.lost = () => {
  const out = [];
  let count = 0;
  for (const cell of document.querySelector('#c27_glossary table').querySelectorAll('td:first-child'))
    for (const word of cell.textContent.split(', ')) {
      const to = search(word).map(target);
      const there = b => b && b.textContent.toLowerCase().replace(/\s+/g, ' ').includes(word.toLowerCase());
      if (!to.every(there) || !to.some(b => b.closest('section').id !== 'c27_glossary')) out.push(word);
      count++;
    }
  return 'lost words: ' + (count < 60 ? 'only ' + count : out.join(', ') || 'none');
};
window.nowhere = () => (search('no such words anywhere'), by('found').textContent);
window.clicked = async () => {
  const link = search('DeLong')[0];
  link.click();
  await later();
  const r = target(link).getBoundingClientRect();
  return 'clicked, ' + (r.bottom > 0 && r.top < innerHeight ? 'seen' : 'at ' + r.top);
};
window.addressed = async () => {
  location.hash = 'c05_graph';
  await later();
  return 'at the top: ' + [...document.querySelectorAll('section')]
    .filter(s => Math.abs(s.getBoundingClientRect().top) < 2).map(s => s.id).join();
};
window.counted = () => document.querySelectorAll('#contents > ol > li').length + ' chapters';
END

sizes="390x844,mobile 820x1180,mobile 1280x860 1920x1080"
set -- "set:$(cat "$work/asks.js")" # and what is seen where all is well, line by line
for size in $sizes; do
    set -- "$@" "size:$size" 'print:wide()' 'print:faint()' "size:$size,dark" 'print:faint()'
    printf '%s\n' 'sticks out: nothing' 'faint: nothing' 'faint: nothing' >>"$work/wanted"
done
set -- "$@" 'print:counted()' 'print:lost()' 'print:nowhere()' size:390x844,mobile 'print:clicked()' \
    'print:addressed()'
printf '%s\n' "$(ls docs/book/[0-9][0-9]_*.md | wc -l) chapters" 'lost words: none' '0 places' \
    'clicked, seen' 'at the top: c05_graph' >>"$work/wanted"
node tests/program/web_driver.mjs "$work/book/book.html" "$@" >"$work/seen" 2>"$work/errors"
ok "the page: $(head -n 3 "$work/errors")" $?
line=0
while read -r wanted; do
    line=$((line + 1))
    seen=$(sed -n "${line}p" "$work/seen")
    [ "$seen" = "$wanted" ]
    ok "line $line: '$seen', wanted '$wanted'" $?
done <"$work/wanted"

if [ -n "$SHOTS" ]; then
    mkdir -p "$SHOTS"
    set -- "set:$(cat "$work/asks.js")"
    for size in 390x844,mobile 820x1180,mobile 1280x860; do
        for dark in '' ,dark; do
            set -- "$@" "size:$size$dark"
            for place in contents c02_convolution c02_convolution_5 c06_networks_1 c20_winograd_4 c27_glossary
            do
                set -- "$@" "set:location.hash = '$place'; later()" "view:$SHOTS/$size$dark.$place.png"
            done
            set -- "$@" "set:search('stripe'); scrollTo(0, 0)" "view:$SHOTS/$size$dark.search.png" \
                "set:search('')"
        done
    done
    node tests/program/web_driver.mjs "$work/book/book.html" "$@"
    ok "the shots" $?
fi
finish
