#!/bin/sh
# make_completion.sh NEPHRON bash|zsh - completion for a shell, on standard output, from the program's own
# option tables.
set -e
nephron=$1
tab=$(printf '\t')
commands=$($nephron help --list | cut -f1 | tr '\n' ' ')

bash_words() { # a case of options a command, and one of values an option with choices
    for c in $commands; do
        printf '    %s) options="%s" ;;\n' "$c" "$($nephron "$c" --help=list | cut -f1 | tr '\n' ' ')--help"
    done
}
bash_choices() {
    for c in $commands; do
        $nephron "$c" --help=list | while IFS="$tab" read -r option values text; do
            case $values in *\|*) printf '    "%s %s") values="%s" ;;\n' "$c" "$option" \
                "$(echo "$values" | tr '|' ' ')" ;; esac
        done
    done
}
zsh_options() {
    $nephron "$1" --help=list | while IFS="$tab" read -r option values text; do
        text=$(printf '%s' "$text" | tr -d "'[]\`" | tr ':' ',')
        case $values in
        '') printf " \\\\\n        '%s[%s]'" "$option" "$text" ;;
        *\|*) printf " \\\\\n        '%s[%s]:value:(%s)'" "$option" "$text" \
            "$(echo "$values" | tr '|' ' ')" ;;
        *) printf " \\\\\n        '%s[%s]:%s:_files'" "$option" "$text" "$values" ;;
        esac
    done
}

case $2 in
bash)
    cat <<EOF
# bash completion for nephron
_nephron() {
    local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
    local options= values=
    if [ "\$COMP_CWORD" -eq 1 ]; then COMPREPLY=(\$(compgen -W "$commands help" -- "\$word")); return; fi
    if [ "\$command" = help ]; then COMPREPLY=(\$(compgen -W "$commands" -- "\$word")); return; fi
    case "\$command \$before" in
$(bash_choices)
    esac
    case "\$command" in
$(bash_words)
    esac
    if [ -n "\$values" ]; then COMPREPLY=(\$(compgen -W "\$values" -- "\$word"))
    elif [[ "\$word" == -* ]]; then COMPREPLY=(\$(compgen -W "\$options" -- "\$word"))
    else COMPREPLY=(\$(compgen -f -- "\$word")); fi
}
complete -o filenames -F _nephron nephron
EOF
    ;;
zsh)
    printf '#compdef nephron\n_nephron() {\n    if (( CURRENT == 2 )); then\n        local -a names\n        names=('
    $nephron help --list | while IFS="$tab" read -r name text; do
        printf " \\\\\n            '%s:%s'" "$name" "$(printf '%s' "$text" | tr -d "'\`" | tr ':' ',')"
    done
    printf ')\n        _describe command names\n        return\n    fi\n    local command=$words[2]\n    shift words; (( CURRENT-- ))\n'
    printf '    case $command in\n'
    for c in $commands; do
        printf '    %s) _arguments%s \\\n        "*:file:_files" ;;\n' "$c" "$(zsh_options "$c")"
    done
    printf '    esac\n}\n_nephron "$@"\n'
    ;;
*) echo "make_completion.sh NEPHRON bash|zsh" >&2; exit 2 ;;
esac
