#!/usr/bin/env python3
"""Makes the golden values that tests/golden/test_eval.c compares with: the same features, labels and pictures given to
torch-fidelity, prdc, scikit-learn, scikit-image and SciPy. Needs torch, safetensors, numpy, scipy, scikit-learn,
scikit-image, prdc, torch-fidelity; the versions used are in the metadata.

    python3 tests/golden/make_eval.py [FILE]        writes tests/golden/eval.safetensors

Features are float32 and the peers get them as double, so that what differs is arithmetic alone.
"""
import importlib.metadata
import importlib.util
import sys
import unittest.mock

import numpy as np
import safetensors.numpy
import scipy.linalg
import scipy.special
import scipy.stats
import sklearn.linear_model
import sklearn.metrics
import sklearn.neighbors
import skimage.metrics
import torch
from prdc import compute_prdc

if importlib.util.find_spec("torchvision") is None:  # torch-fidelity's extractors want it; its formulas do not
    for name in ("", ".datasets", ".models", ".transforms", ".transforms.functional"):
        sys.modules["torchvision" + name] = unittest.mock.MagicMock()
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import mmd2
from torch_fidelity.metric_prc import calculate_precision_recall_full

rng = np.random.default_rng(20)
values = {}


def keep(name, value, dtype=np.float64):
    values[name] = np.ascontiguousarray(np.atleast_1d(np.asarray(value, dtype=dtype)))


def features():
    """Like a network's last layer: correlated, not negative, far from the origin; some generated rows are copies."""
    mix = rng.standard_normal((32, 32)) * 0.9 ** np.arange(32)[:, None]
    real = np.maximum(rng.standard_normal((400, 32)) @ mix + 1.5, 0)
    fake = np.maximum(1.1 * rng.standard_normal((300, 32)) @ mix + 1.6, 0)
    fake[10:17] = real[100:107]
    fake[200:203] = fake[20:23]
    keep("real", real, np.float32)
    keep("fake", fake, np.float32)
    return values["real"].astype(np.float64), values["fake"].astype(np.float64)


def frechet(real, fake):
    stats = [fid_features_to_statistics(torch.tensor(x)) for x in (real, fake)]
    peer = fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
    keep("frechet", peer)
    # Fewer rows than columns: the root of a singular product costs the peers half of their digits, singular values none.
    a, b = real[:20], fake[:25]
    ca, cb = (a - a.mean(0)) / np.sqrt(19), (b - b.mean(0)) / np.sqrt(24)
    roots = np.linalg.svd(ca @ cb.T, compute_uv=False).sum()
    keep("frechet_few", ((a.mean(0) - b.mean(0)) ** 2).sum() + (ca**2).sum() + (cb**2).sum() - 2 * roots)
    symmetric = np.cov(real[:60].T) + np.diag(rng.standard_normal(32))
    keep("symmetric", symmetric)
    keep("eigenvalues", np.linalg.eigvalsh(symmetric))


def kid(real, fake):
    x, y = real[:300], fake
    k = [(a @ b.T / 32 + 1) ** 3 for a, b in ((x, x), (x, y), (y, y))]
    keep("kid", mmd2(*k))


def neighbours(real, fake):
    for k in (3, 5):
        p = compute_prdc(real, fake, k)
        keep(f"prdc_{k}", [p["precision"], p["recall"], p["density"], p["coverage"]])
    # torch-fidelity counts a row on the rim as inside, which only copies are.
    keep("precision_recall", calculate_precision_recall_full(torch.tensor(fake[:200]), torch.tensor(real), 3))
    near = sklearn.neighbors.NearestNeighbors(n_neighbors=4, algorithm="brute").fit(real)
    distance, index = near.kneighbors(fake[:60])
    # The expansion of the square leaves noise where the distance is 0.
    keep("nearest_distance", np.linalg.norm(fake[:60, None] - real[index], axis=-1))
    keep("nearest_index", index, np.int32)
    within, _ = sklearn.neighbors.NearestNeighbors(n_neighbors=6, algorithm="kd_tree").fit(real).kneighbors(real)
    keep("within_distance", within[:, 5])
    tree = sklearn.neighbors.KDTree(real[:200])
    sample, test = (tree.query(x)[0][:, 0] for x in (fake, real[200:]))
    keep("memorisation", [np.median(sample) / np.median(test), np.median(sample), np.median(test), (sample == 0).sum()])


def classes():
    logits = 2 * rng.standard_normal((203, 10))
    keep("probabilities", scipy.special.softmax(logits, 1), np.float32)
    score = isc_features_to_metric(torch.tensor(np.log(values["probabilities"].astype(np.float64))), 10, shuffle=False)
    keep("inception", [score["inception_score_mean"], score["inception_score_std"]])
    for hits, n in ((0, 20), (7, 20), (20, 20), (991, 1000)):
        interval = scipy.stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
        keep(f"wilson_{hits}_{n}", [interval.low, interval.high])
    labels = rng.integers(0, 7, 300) * rng.integers(0, 2, 300)
    keep("labels", labels, np.int32)
    share = np.bincount(labels, minlength=8) / 300
    keep("balance", [scipy.stats.entropy(share, np.full(8, 1 / 8)), abs(share - 1 / 8).sum() / 2,
                     np.exp(scipy.stats.entropy(share))])
    digits = rng.integers(0, 10, (600, 3))
    keep("digits", digits, np.int32)
    share = np.bincount(digits @ [100, 10, 1], minlength=1000) / 600
    keep("modes", [(share > 0).sum(), scipy.stats.entropy(share, np.full(1000, 1e-3))])


def retrieval():
    text = rng.standard_normal((120, 16)).astype(np.float32)
    text[7] = text[50]
    picture = (text + 1.2 * rng.standard_normal((120, 16))).astype(np.float32)
    keep("pictures", picture, np.float32)
    keep("texts", text, np.float32)
    cosine = sklearn.metrics.pairwise.cosine_similarity(picture.astype(np.float64), text.astype(np.float64))
    cosine[:, 50] = cosine[:, 7]
    best = cosine == cosine.max(1, keepdims=True)
    keep("r_precision", (np.diag(best) / best.sum(1)).mean())


def pictures():
    a = rng.integers(0, 256, (24, 31, 3))
    for _ in range(3):  # smooth, or SSIM has nothing to see
        a = (a + np.roll(a, 1, 0) + np.roll(a, 1, 1)) // 3
    b = np.clip(a + rng.integers(-30, 31, a.shape), 0, 255)
    keep("picture_a", a, np.uint8)
    keep("picture_b", b, np.uint8)
    how = {"gaussian_weights": True, "use_sample_covariance": False, "channel_axis": 2}
    a, b = values["picture_a"], values["picture_b"]
    keep("ssim", skimage.metrics.structural_similarity(a, b, data_range=255, **how))
    keep("psnr", skimage.metrics.peak_signal_noise_ratio(a, b, data_range=255))
    x, y = ((v.astype(np.float32) / 255).astype(np.float64) for v in (a, b))
    keep("ssim_float", skimage.metrics.structural_similarity(x, y, data_range=1, **how))
    keep("psnr_float", skimage.metrics.peak_signal_noise_ratio(x, y, data_range=1))


def factors():
    f = np.stack([rng.integers(0, 4, 500), rng.integers(-3, 3, 500), rng.integers(0, 2, 500) * 90], 1)
    z = np.stack([f[:, 0] + 0.1 * rng.standard_normal(500), 0.5 * f[:, 1] + 0.4 * f[:, 0], rng.standard_normal(500),
                  f[:, 2] / 45 + 0.7 * rng.standard_normal(500), f[:, 1] ** 2 + 0.2 * rng.standard_normal(500)], 1)
    keep("factors", f, np.int32)
    keep("latents", z, np.float32)
    z = values["latents"].astype(np.float64)
    bins = np.stack([np.digitize(c, np.histogram(c, 20)[1][:-1]) for c in z.T], 1)
    m = np.array([[sklearn.metrics.mutual_info_score(f[:, j], bins[:, i]) for j in range(3)] for i in range(5)])
    m = np.sort(m, 0)[::-1]
    gaps = (m[0] - m[1]) / [sklearn.metrics.mutual_info_score(c, c) for c in f.T]
    keep("mig", [gaps.mean(), *gaps])
    mean, sd, f_mean, f_sd = z[:400].mean(0), z[:400].std(0), f[:400].mean(0), f[:400].std(0)
    x, y = (z - mean) / sd, (f - f_mean) / f_sd
    r = np.zeros((5, 3))
    r2 = []
    for j in range(3):
        lasso = sklearn.linear_model.Lasso(alpha=0.01, fit_intercept=False, tol=1e-15, max_iter=100000)
        lasso.fit(x[:400], y[:400, j])
        r[:, j] = abs(lasso.coef_)
        r2.append(sklearn.metrics.r2_score(y[400:, j], lasso.predict(x[400:])))
    keep("importance", r)
    latent = 1 - scipy.stats.entropy(r.T + 1e-300, base=3)
    keep("dci", [(latent * r.sum(1)).sum() / r.sum(), (1 - scipy.stats.entropy(r, base=5)).mean(), np.mean(r2)])


def likelihood():
    w = -90 + 6 * rng.standard_normal((12, 40))
    w[3] -= 1e4
    w[4, :39] = -np.inf
    keep("log_weights", w)
    each = scipy.special.logsumexp(w, 1) - np.log(40)
    ess = np.exp(2 * scipy.special.logsumexp(w, 1) - scipy.special.logsumexp(2 * w, 1))
    keep("importance_mean", [each.mean(), scipy.stats.sem(each), ess.mean(), ess.min()])


def main():
    real, fake = features()
    for make in (frechet, kid, neighbours):
        make(real, fake)
    for make in (classes, retrieval, pictures, factors, likelihood):
        make()
    used = ("torch-fidelity", "prdc", "scikit-learn", "scikit-image", "scipy", "numpy", "torch")
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/eval.safetensors"
    safetensors.numpy.save_file(values, path, metadata={name: importlib.metadata.version(name) for name in used})


main()
