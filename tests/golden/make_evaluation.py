#!/usr/bin/env python3
"""What scikit-learn, torchmetrics, statsmodels and scipy say of some probabilities, logits and runs: evaluation.inc. DeLong's
variance is here from its definition, over all pairs. Needs those four and torch.

Usage: make_evaluation.py > evaluation.inc
"""
import warnings
import numpy as np
import torch
from scipy import optimize, stats
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from torchmetrics.functional.classification import multiclass_calibration_error

from common import number

warnings.simplefilter("ignore")
N, K = 240, 5


def label(i, k):
    return int((number(59, i) + 2) / 4 * k)


def shares(n, k, coarse, stream=60):
    """Rows that sum to 1: of small whole numbers, with many ties, or of cubes."""
    rows = np.zeros((n, k), np.float32)
    for i in range(n):
        x = [number(stream + c, i) + 2 + (c == label(i, k)) for c in range(k)]
        w = [float(int(v * 2)) for v in x] if coarse else [v * v * v for v in x]
        w[0] += sum(w) == 0
        total = 0.0
        for v in w:
            total += v
        rows[i] = [np.float32(v / total) for v in w]
    return rows


def delong(own, others):
    """The area, and its variance by DeLong et al. 1988."""
    wins = (own[:, None] > others[None]) + 0.5 * (own[:, None] == others[None])
    return wins.mean(), np.var(wins.mean(1), ddof=1) / len(own) + np.var(wins.mean(0), ddof=1) / len(others)


def text(v):
    v = float(v)
    return "INFINITY" if v == np.inf else repr(v)


def table(name, rows, columns=None):
    if columns is None:
        print("static const double %s[] = { %s };" % (name, ", ".join(text(v) for v in rows)))
    else:
        print("static const double %s[][%d] = { %s };" % (
            name, columns, ", ".join("{ %s }" % ", ".join(text(v) for v in row) for row in rows)))


print("/* evaluation.inc - made by make_evaluation.py. */\nenum { N = %d, K = %d };" % (N, K))
y = np.array([label(i, K) for i in range(N)])
for name, coarse in (("ties", True), ("smooth", False)):
    p = shares(N, K, coarse)
    table(name + "_auc", [sk.roc_auc_score(y, p, multi_class=m, average=a) for m, a in (("ovr", "macro"), ("ovr", "weighted"), ("ovo", "macro"))])
    rows = []
    for c in range(K):
        area, variance = delong(p[y == c, c].astype(float), p[y != c, c].astype(float))
        assert abs(area - sk.roc_auc_score(y == c, p[:, c])) < 1e-12
        half = stats.norm.ppf(0.95) * variance ** 0.5
        rows.append([area, variance ** 0.5, max(area - half, 0), min(area + half, 1), sk.average_precision_score(y == c, p[:, c])])
    table(name + "_class", rows, 5)
    table(name + "_precision", [sk.average_precision_score(np.eye(K)[y], p, average="macro")])
    # Without class 4: torchmetrics leaves classes out that do not occur, as scikit-learn does when they are taken out of the labels.
    kept = y < K - 1
    table(name + "_absent", [np.mean([sk.roc_auc_score(y[kept] == c, p[kept, c]) for c in range(K - 1)])])
two = np.array([label(i, 2) for i in range(N)])
p = shares(N, 2, True)
table("binary", [sk.roc_auc_score(two, p[:, 1]), sk.average_precision_score(two, p[:, 1]), sk.brier_score_loss(two, p[:, 1])])
x, t, threshold = sk.roc_curve(two, p[:, 1])
table("roc", zip(x, t, threshold), 3)
precision, recall, threshold = sk.precision_recall_curve(two, p[:, 1])
table("precision_recall", list(zip(recall, precision, np.append(threshold, np.inf)))[::-1], 3)

p = shares(N, K, False)
confidence, hit = p.max(1), p.argmax(1) == y
for bins in (7, 15):
    where = np.ceil(confidence.astype(float) * bins).astype(int) - 1
    table("calibration%d" % bins, [
        multiclass_calibration_error(torch.tensor(p), torch.tensor(y), K, n_bins=bins, norm=norm).item() for norm in ("l1", "max")])
    table("bins%d" % bins, [[(where == b).sum(), confidence[where == b].astype(float).mean() if (where == b).any() else 0,
                             hit[where == b].mean() if (where == b).any() else 0] for b in range(bins)], 3)
coarse = shares(N, K, True)
table("likelihood", [sk.log_loss(y, p), sk.brier_score_loss(y, p), sk.log_loss(y, coarse, labels=range(K)), hit.mean(), confidence.astype(float).mean()])

z = np.array([[number(90 + c, i) * 4 + 5 * (c == label(i, K)) for c in range(K)] for i in range(N)])


def cost(log_t, logits=z):
    s = logits / np.exp(log_t)
    s = s - s.max(1)[:, None]
    return np.mean(np.log(np.exp(s).sum(1)) - s[np.arange(N), y])


rows = []
for scale in (1.0, 0.125, 16.0):
    best = optimize.minimize_scalar(cost, args=(z * scale,), bracket=(-3, 3), options={"xtol": 1e-12})
    s = torch.tensor(z * scale / np.exp(best.x)).softmax(1)
    rows.append([scale, np.exp(best.x), cost(0, z * scale), best.fun, multiclass_calibration_error(s, torch.tensor(y), K).item()])
table("temperatures", rows, 5)

rows = []
for first, second in ((5, 12), (0, 7), (17, 30), (1, 0), (200, 150), (3000, 3200), (12, 13), (4000, 3000)):
    square = [[3, first], [second, 2]]
    corrected = mcnemar(square, exact=False, correction=True)
    rows.append([first, second, mcnemar(square, exact=True).pvalue, corrected.statistic, corrected.pvalue])
table("tables", rows, 5)

rows = []
for n in (2, 3, 4, 5, 10, 31, 300):
    a, b = (np.array([number(s, i) for i in range(n)]) for s in (110, 111))
    b = b + (0.25 if n < 300 else 1.5)
    for level in (0.5, 0.95, 0.999):
        low, high = stats.t.interval(level, n - 1, loc=a.mean(), scale=stats.sem(a))
        d = b - a
        pair = stats.t.interval(level, n - 1, loc=d.mean(), scale=stats.sem(d))
        rows.append([n, level, a.mean(), stats.sem(a), low, high, *pair, stats.ttest_rel(b, a).pvalue])
table("runs", rows, 9)
table("many", [stats.t.ppf(0.975, 1000001)])
