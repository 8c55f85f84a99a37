#!/bin/sh
# kill_resume.sh [BUILD]: the program killed with kill -9 at three random moments and resumed ends in the weights, and in
# the log but for its times, of one that was left alone; with one thread and with two. Takes about half a minute.
set -eu
cd "$(dirname "$0")/../.."
figment=${1:-build}/figment
if [ ! -x "$figment" ]; then
    echo "skipped kill_resume: $figment is not built"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
work=$(mktemp -d)
child=
trap '[ -z "$child" ] || kill -9 "$child" 2> /dev/null || :; rm -rf "$work"' EXIT
failed=0

awk 'BEGIN { for (i = 0; i < 3000; i++) print "line " i * 7919 % 1000 " of a text about " i * 31 % 97 " things" }' > "$work/text.txt"

# train OUT THREADS: three hundred steps, a checkpoint every twenty.
train() {
    exec env OMP_NUM_THREADS="$2" "$figment" train --data "$work/text.txt" --tokenizer char --out "$work/$1" --resume \
        --n_layer 2 --n_head 2 --n_embd 64 --block_size 32 --batch_size 8 --grad_accum 2 --dropout 0.1 --max_iters 300 \
        --ema_decay 0.99 --eval_interval 50 --eval_iters 4 --checkpoint_interval 20 --log_interval 5 --sample_tokens 20
}

finish() {
    (train "$1" "$2") > "$work/$1.txt" 2>&1 || { tail -n 3 "$work/$1.txt"; failed=$((failed + 1)); }
}

weights() { sha256sum "$work/$1/checkpoints/step-000000300/state.safetensors" "$work/$1/model.safetensors" | cut -d' ' -f1; }
log() { sed -E 's/"(tok_per_sec|mfu|peak_rss_mb)": [^,}]*//g' "$work/$1/log.jsonl"; }

# expect_same OUT WHAT
expect_same() {
    if [ "$(weights "$1")" != "$(weights alone)" ] || [ "$(log "$1")" != "$(log alone)" ]; then
        echo "FAILED $2: weights or log differ from those of a run that was left alone"
        failed=$((failed + 1))
    fi
}

start=$(date +%s%N)
finish alone 1
took=$((($(date +%s%N) - start) / 1000000)) # milliseconds
finish two 2
expect_same two "two threads"

moments=$(awk -v took="$took" 'BEGIN { srand(); for (i = 0; i < 3; i++) printf "%.3f ", 0.2 + rand() * took / 3000 }')
for moment in $moments; do
    (train killed 2) > "$work/killed.txt" 2>&1 &
    child=$!
    sleep "$moment"
    kill -9 "$child" 2> /dev/null || :
    wait "$child" 2> /dev/null || :
    child=
done
finish killed 1
expect_same killed "killed after $moments seconds"

echo "$((failed > 2 ? 0 : 2 - failed)) passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
