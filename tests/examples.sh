#!/bin/sh
# Builds the examples and runs each as a person would; what they print must make sense.
# usage: tests/examples.sh [build folder]
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

make -s BUILD="$build" examples >"$work/make.log" 2>&1 || {
    cat "$work/make.log"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

# expect NAME PATTERN COMMAND...: exit status 0 and a line of output that matches
expect() {
    name=$1 pattern=$2
    shift 2
    if "$@" >"$work/out" 2>&1 && grep -q -e "$pattern" "$work/out"; then
        passed=$((passed + 1))
    else
        echo "FAIL $name: $* (wanted: $pattern)"
        sed 's/^/    /' "$work/out"
        failed=$((failed + 1))
    fi
}

# A few kilobytes in which much repeats, so that a few dozen steps show something.
awk 'BEGIN {
    split("the cat,a dog,my friend,the moon", who, ",")
    split("sees,likes,follows,dreams of", does, ",")
    split("a bird,the river,an old song,bread and honey", what, ",")
    for (i = 0; i < 300; i++) print who[i % 4 + 1], does[int(i / 4) % 4 + 1], what[i * 7 % 4 + 1] "."
}' >"$work/text.txt"

expect train 'step 60: validation loss [01]\.' "$build/examples/train" "$work/text.txt" "$work/model" 60
expect stream '^\[length\]$' "$build/examples/stream" "$work/model" "the cat" 40
expect new_op 'cumsum: 2 variants' "$build/examples/new_op"
expect new_model 'parameters, validation loss [01]\.' "$build/examples/new_model" "$work/model/data" "$work/parallel"
if [ -f models/shakespeare/config.json ]; then
    expect stream-shipped '^\[\(length\|eos\)\]$' "$build/examples/stream" shakespeare "ROMEO:" 20
else
    echo "skipped stream-shipped: models/shakespeare is not there"
    skipped=1
fi

# A missing model is one line and exit status 2.
"$build/examples/stream" "$work/none" >"$work/out" 2>&1
[ $? -eq 2 ] && [ "$(wc -l <"$work/out")" -eq 1 ] && passed=$((passed + 1)) || {
    echo "FAIL stream: a model that is not there"
    failed=$((failed + 1))
}
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
