#!/usr/bin/env python3
"""Scores of `figment eval --suite images` again, by programs that no one here wrote, from the features that it exported.

    figment eval MODEL --suite images --num_samples 2000 --features DIR --json > DIR/report.json
    python3 bench/peer_scores.py DIR

Needs numpy, scipy, scikit-learn, prdc. The kernel distance is a mean over subsets of 1,000 drawn at random, here others
than figment's: the two agree within their spread over subsets / sqrt(subsets); smaller sets are taken whole. Everything
else should agree to rounding (figment's features are fp32, all arithmetic on both sides double).
"""
import json
import pathlib
import sys

import numpy as np
import scipy.linalg
from prdc import compute_prdc
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

K, SUBSETS = 5, 100


def frechet(a, b):
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * np.trace(root)


def mmd2(a, b):
    kaa, kbb, kab = (polynomial_kernel(x, y, degree=3, coef0=1) for x, y in ((a, a), (b, b), (a, b)))
    n, m = len(a), len(b)
    return (kaa.sum() - np.trace(kaa)) / n / (n - 1) + (kbb.sum() - np.trace(kbb)) / m / (m - 1) - 2 * kab.mean()


def kid(a, b):
    rng = np.random.default_rng(0)
    size = min(1000, len(a), len(b))
    one = [mmd2(a[rng.choice(len(a), size, False)], b[rng.choice(len(b), size, False)]) for _ in range(SUBSETS)]
    return np.mean(one), np.std(one)


def nearest(x, base):
    return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(base).kneighbors(x)[0][:, 0]


def main():
    folder = pathlib.Path(sys.argv[1])
    made, real, train = (np.load(folder / f"{n}.npy").astype(np.float64) for n in ("generated", "held-out", "training"))
    report = json.loads((folder / "report.json").read_text())
    ours = report["rows"][0]["extractor"]
    mean, sd = kid(made, real)
    peers = {"fld": ("scipy.linalg.sqrtm", frechet(made, real)), "kid": ("scikit-learn polynomial_kernel", mean)}
    for name, value in compute_prdc(real, made, K).items():
        peers[name] = ("prdc", value)
    ratio = np.median(nearest(made, train)) / np.median(nearest(real, train))
    ours["memorisation"] = report["memorisation"]["ratio"]
    peers["memorisation"] = ("scikit-learn NearestNeighbors", ratio)
    print(f"{report['model']}: {len(made)} drawn, {len(real)} held out, {len(train)} of training, {made.shape[1]} features\n")
    print("| score | figment | peer | by | difference |\n|---|---|---|---|---|")
    for name, (by, value) in peers.items():
        note = f" (spread of both means: {np.hypot(ours['kid_sd'], sd) / np.sqrt(SUBSETS):.2g})" if name == "kid" and ours["kid_sd"] else ""
        print(f"| {name} | {ours[name]:.9g} | {value:.9g} | {by} | {abs(ours[name] - value) / abs(value):.1e}{note} |")


main()
