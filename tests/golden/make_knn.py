#!/usr/bin/env python3
"""Writes knn.inc: the accuracy of k nearest neighbours in double, with scikit-learn's rules for ties, from numpy.

Usage: make_knn.py > knn.inc
"""
import numpy as np
from common import number

R, Q, D = 75, 41, 13


def rows(stream, count, labels):
    """Around a centre for each label, so that neighbours tell something; some of different length."""
    x = np.array([[number(stream, i * D + j) for j in range(D)] for i in range(count)])
    x += np.array([[number(70, int(label) * D + j) / 2 for j in range(D)] for label in labels])
    return x * np.array([1.0 + i % 3 for i in range(count)])[:, None]


reference_labels = np.array([(i * 7) % 5 - 1 for i in range(R)])
query_labels = np.array([(i * 3) % 5 - 1 for i in range(Q)])
reference, queries = rows(71, R, reference_labels + 1), rows(72, Q, query_labels + 1)


def accuracy(x, labels, k, cosine, self):
    y = reference
    if cosine:
        x, y = x / np.linalg.norm(x, axis=1)[:, None], y / np.linalg.norm(y, axis=1)[:, None]
    d = ((x[:, None] - y[None]) ** 2).sum(2)
    if self:
        np.fill_diagonal(d, np.inf)
    nearest = np.sort(d, 1)
    assert k >= R - self or ((nearest[:, k] - nearest[:, k - 1]) > 1e-5 * nearest[:, k]).all()  # floats see the same neighbours
    neighbours = reference_labels[np.argsort(d, axis=1, kind="stable")[:, :k]]
    votes = np.array([np.bincount(n + 1).argmax() - 1 for n in neighbours])
    return int((votes == labels).sum())


print("/* knn.inc - made by make_knn.py. { k, cosine, among themselves, hits } */")
for k in [1, 2, 3, 5, 8, 20, R - 1, R]:
    for cosine in [0, 1]:
        print("{ %d, %d, 0, %d }," % (k, cosine, accuracy(queries, query_labels, k, cosine, False)))
        if k < R:
            print("{ %d, %d, 1, %d }," % (k, cosine, accuracy(reference, reference_labels, k, cosine, True)))
