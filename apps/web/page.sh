#!/bin/sh
# page.sh VERSION - web/nephron.html: page.html with style, scripts and the modules in it (base64), so that it
# is one file.
set -e
here=apps/web
modules() {
    for name in relaxed simd128; do
        [ ! -f "web/nephron_$name.wasm" ] ||
            printf '%s: "%s",\n' "$name" "$(base64 <"web/nephron_$name.wasm" | tr -d '\n')"
    done
}
while IFS= read -r line; do
    case $line in
    @@STYLE@@) cat "$here/page.css" ;;
    @@WORKER@@) cat "$here/worker.js" ;;
    @@SCRIPT@@) cat "$here/viewer.js" "$here/page.js" ;;
    *@@MODULES@@*) echo 'const MODULES = {' && modules && echo '};' ;;
    *@@VERSION@@*) printf '%s\n' "$line" | sed "s/@@VERSION@@/$1/" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$here/page.html" >web/.nephron.html.tmp
mv web/.nephron.html.tmp web/nephron.html
echo "web/nephron.html: $(wc -c <web/nephron.html | tr -d ' ') bytes, open it in a browser"
