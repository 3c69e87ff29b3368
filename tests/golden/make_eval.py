#!/usr/bin/env python3
"""What scikit-learn says of some predictions: eval.inc. Needs scikit-learn and numpy; the intervals need Python's statistics."""
import os
from statistics import NormalDist
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

from common import number

N, C = 300, 7
scores = np.array([[number(50 + c, i) for c in range(C)] for i in range(N)])
# Class 5 never occurs, class 6 is never predicted.
labels = np.array([int((number(40, i) + 2) / 4 * 5) if i % 50 else 6 for i in range(N)])
scores[:, 6] -= 10
scores[np.arange(N), labels] += np.where(labels == 6, 0, 1.5)
predicted = scores.argmax(1)
every = list(range(C))


def wilson(hits, n, confidence=0.95):
    if n == 0:
        return 0.0, 1.0
    z, p = NormalDist().inv_cdf(0.5 + confidence / 2), hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return max(centre - half, 0.0), min(centre + half, 1.0)


matrix = confusion_matrix(labels, predicted, labels=every)
precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
macro = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0, average="macro")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "eval.inc"), "w") as out:
    out.write("/* Made by make_eval.py. */\nenum { N = %d, C = %d };\n" % (N, C))
    out.write("static const int32_t labels[N] = { %s };\n" % ", ".join(map(str, labels)))
    out.write("static const int64_t matrix[C][C] = { %s };\n" % ", ".join("{ %s }" % ", ".join(map(str, r)) for r in matrix))
    out.write("static const double accuracy = %r;\n" % accuracy_score(labels, predicted))
    out.write("static const double top[C] = { %s };\n" % ", ".join(
        repr(float(top_k_accuracy_score(labels, scores, k=k, labels=every))) if k < C else "1.0" for k in range(1, C + 1)))
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1), ("macro", macro[:3])):
        out.write("static const double %s[] = { %s };\n" % (name, ", ".join(repr(float(v)) for v in values)))
    out.write("static const double precision_bounds[C][2] = { %s };\n" % ", ".join(
        "{ %r, %r }" % wilson(int(matrix[c, c]), int(matrix[:, c].sum())) for c in every))
    out.write("static const double recall_bounds[C][2] = { %s };\n" % ", ".join(
        "{ %r, %r }" % wilson(int(matrix[c, c]), int(matrix[c].sum())) for c in every))
    out.write("static const double bounds[3][3] = { %s };\n" % ", ".join(
        "{ %r, %r, %r }" % ((confidence,) + wilson(int(np.trace(matrix)), N, confidence)) for confidence in (0.9, 0.95, 0.999)))
