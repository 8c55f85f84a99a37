#!/bin/sh
# Digits of a VAE, a GAN, a flow and a GPT over codes, scored side by side: trains and scores what runs/ does not hold
# yet, then writes one line of JSON for each, with its floor, ladder and control, to
# docs/results/mnist-side-by-side.jsonl. The trainings take an hour and a half on one core, each scoring five minutes.
#
# usage: docs/results/mnist-side-by-side.sh DATA     DATA: the folder of MNIST's four files
set -eu
cd "$(dirname "$0")/../.."
data=$1
figment=${FIGMENT:-build/figment}
log=docs/results/mnist-side-by-side.jsonl

for model in mnist-classifier mnist-vae mnist-gan mnist-flow mnist-fsq mnist-tokens; do
    [ -e "runs/$model/README.md" ] && continue # written at the end of a training
    codec=
    [ $model = mnist-tokens ] && codec="--codec runs/mnist-fsq"
    # shellcheck disable=SC2086
    $figment train "recipes/$model.yaml" --data "$data" --out "runs/$model" $codec
done

# The folder of a model, a name for its scores, further options.
score() {
    model=$1 scores=runs/$1/$2.json
    shift 2
    if [ ! -e "$scores" ]; then
        $figment eval "runs/$model" --suite images --data runs/mnist-classifier/data --extractor runs/mnist-classifier \
            --num_samples 10000 "$@" --json > "$scores.part"
        mv "$scores.part" "$scores"
    fi
    tr -s '\n ' ' ' < "$scores" >> $log.part
    echo >> $log.part
}

printf '{"command": "docs/results/mnist-side-by-side.sh", "commit": "%s"}\n' "$(git rev-parse --short HEAD)" > $log.part
score mnist-vae images
score mnist-gan images
score mnist-flow images
score mnist-flow images-unguided --guidance 1
score mnist-tokens images
mv $log.part $log
