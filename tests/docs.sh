#!/bin/sh
# What the pages say must be there: files that they link to or name, code that they quote, spellings that they list.
# usage: tests/docs.sh [build folder]
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# verdict NAME: passes when the file of findings is empty
verdict() {
    if [ -s "$work/findings" ]; then
        echo "FAIL $1"
        sed 's/^/    /' "$work/findings"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
    : >"$work/findings"
}
pages=$(ls ./*.md docs/*.md src/*/README.md)

# Links, from the page's own folder.
for page in $pages; do
    grep -o '](\([^)#:]*\))' "$page" | sed 's/](\(.*\))/\1/' | while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || echo "$page: $link"
    done
done >"$work/findings"
verdict "links"

# `src/x/y.c` and its kind, from the top. Names with placeholders are no files.
for page in $pages; do
    grep -o '`\(src\|include\|docs\|examples\|tests\|tools\|bench\|recipes\)/[a-z0-9_./-]*`' "$page" | tr -d '`' |
        while read -r name; do
            [ -e "$name" ] || [ -n "$(ls "$name"* 2>/dev/null)" ] || case $name in
            */x.c | *_x.c | *_x*.c) ;;
            *) echo "$page: $name" ;;
            esac
        done
done >"$work/findings"
verdict "named files"

# The tutorial quotes the example.
sed -n '/^```c$/,/^```$/p' docs/first-op.md | grep -v '^```\|^ *\.\.\.$' | while IFS= read -r text; do
    grep -qxF -e "$text" examples/new_op.c || printf '%s\n' "$text"
done >"$work/findings"
verdict "docs/first-op.md against examples/new_op.c"

if [ -x "$build/figment" ]; then
    tools/list-aliases "$build/figment" | diff docs/aliases.md - >"$work/findings"
    verdict "docs/aliases.md: tools/list-aliases writes it anew"
else
    echo "skipped docs/aliases.md: $build/figment is not built"
    skipped=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
