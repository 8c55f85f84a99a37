#!/bin/sh
# What the emoji model draws for names it has not seen: 64 held-out ones, evenly over those that there are, the first 32
# combinations of parts that were seen, the others whole emoji that were not. Writes docs/results/emoji-held-out.png,
# eight in a row, and the names in the same order, emoji-held-out.txt.
#
# usage: docs/results/emoji-sheet.sh [DATA [MODEL]]     DATA: what figment data make emoji made; usually data/emoji
set -eu
cd "$(dirname "$0")/../.."
data=${1:-data/emoji} model=${2:-emoji}
figment=${FIGMENT:-build/figment}
names=docs/results/emoji-held-out.txt

# 32 names of one kind, from the first to the last.
names_of() {
    grep "\"held_out\": \"$1\"" "$data/metadata.jsonl" | sed 's/.*"text": "\([^"]*\)".*/\1/' |
        awk '{ name[NR] = $0 } END { for (i = 0; i < 32; i++) print name[1 + int(i * (NR - 1) / 31)] }'
}
{ names_of combination && names_of base; } > $names
$figment generate "$model" --prompt_file $names --grid -o docs/results/emoji-held-out.png
