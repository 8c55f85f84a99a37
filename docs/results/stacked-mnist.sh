#!/bin/sh
# How many of Stacked MNIST's 1,000 modes an R3GAN draws, for three seeds: recipes/stacked-mnist.yaml, then 25,600
# pictures judged by the MNIST classifier, one line of JSON for each seed in docs/results/stacked-mnist.jsonl. A seed
# takes 40 to 49 minutes on one core.
#
# usage: docs/results/stacked-mnist.sh DATA     DATA: the folder of MNIST's four files
set -eu
cd "$(dirname "$0")/../.."
data=$1
figment=${FIGMENT:-build/figment}
log=docs/results/stacked-mnist.jsonl

[ -e runs/mnist-classifier/README.md ] || $figment train recipes/mnist-classifier.yaml --data "$data" --out runs/mnist-classifier
printf '{"command": "docs/results/stacked-mnist.sh", "commit": "%s"}\n' "$(git rev-parse --short HEAD)" > $log.part
for seed in 1 2 3; do
    out=runs/stacked-mnist-$seed
    [ -e $out/README.md ] || $figment train recipes/stacked-mnist.yaml --data "$data" --seed $seed --out $out
    $figment eval $out --suite classes --data $out/data --extractor runs/mnist-classifier --num_samples 25600 --json |
        tr -s '\n ' ' ' >> $log.part
    echo >> $log.part
done
mv $log.part $log
