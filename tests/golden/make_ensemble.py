#!/usr/bin/env python3
"""Writes ensemble.inc: what scikit-learn makes of the scores of several members. Needs scikit-learn, scipy, numpy.

Usage: make_ensemble.py > ensemble.inc
"""
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelEncoder

from common import number

M, K, N, T = 4, 4, 240, 40  # members, classes, samples to learn from, samples to answer


def label(i):
    return int((number(90, i) + 2) / 4 * K)


def logits(m, i):
    """Members of different strength, whose errors have something in common."""
    z = [np.float32(2 * number(91 + m, i * K + c)) + np.float32(number(99, i * K + c)) for c in range(K)]
    z[label(i)] += np.float32([2.0, 1.5, 1.0, 0.0][m])
    return z


z = np.array([[logits(m, i) for i in range(N + T)] for m in range(M)], dtype=np.float64)
y = np.array([label(i) for i in range(N)])
p = softmax(z, axis=2)
learn, answer = slice(0, N), slice(N, N + T)


class Member(ClassifierMixin, BaseEstimator):
    """Says of sample X[i, 0] what its scores say."""

    def __init__(self, number=0):
        self.number = number

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return softmax(z[self.number, X[:, 0]], axis=1)

    def predict(self, X):
        return self.predict_proba(X).argmax(1)


X, asked = np.arange(N)[:, None], np.arange(N, N + T)[:, None]
members = [("m%d" % m, Member(m).fit(X, y)) for m in range(M)]


def voting(kind, weights):
    v = VotingClassifier(members, voting=kind, weights=weights)
    v.estimators_, v.le_ = [m[1] for m in members], LabelEncoder().fit(y)
    v.classes_ = v.le_.classes_
    return v


def regression(C):
    return LogisticRegression(C=C, tol=1e-13, max_iter=100000)


def features(s, members=M, classes=K):
    return np.concatenate(list(log_softmax(z[:members, s, :classes], axis=2)), axis=1)


def fitted(log_likelihood):
    """Weights on the simplex of the largest mean log-likelihood, by trust-region and SLSQP from there."""
    def f(w):
        return -log_likelihood(w)
    best = minimize(f, np.full(M, 1 / M), method="SLSQP", bounds=[(0, 1)] * M, options={"ftol": 1e-15, "maxiter": 1000},
                    constraints={"type": "eq", "fun": lambda w: w.sum() - 1})
    return best.x, -best.fun


def mixture(w):
    return np.log((w[:, None] * p[:, np.arange(N), y]).sum(0)).mean()


def pooled(w):
    mean = (w[:, None, None] * z[:, learn]).sum(0)
    return (mean[np.arange(N), y] - logsumexp(mean, axis=1)).mean()


def greedy(said, log_likelihood, rounds):
    """Caruana et al. 2004, section 2: forward selection with replacement."""
    taken, top, weights = np.zeros(M), None, None
    for _ in range(rounds):
        merits = []
        for m in range(M):
            w = taken + np.eye(M)[m]
            mean = (w[:, None, None] * said).sum(0) / w.sum()
            merits.append(((mean.argmax(1) == y).sum(), log_likelihood(w / w.sum()) if log_likelihood else 0.0))
        m = max(range(M), key=lambda k: merits[k])
        assert log_likelihood is None or sorted(merits)[-1][1] - sorted(merits)[-2][1] > 1e-9 or sorted(merits)[-1][0] > sorted(merits)[-2][0]
        taken[m] += 1
        if top is None or merits[m] > top:
            top, weights = merits[m], taken.copy()
    return weights / weights.sum()


def write(name, values):
    values = np.asarray(values)
    flat = ", ".join(repr(float(v)) if values.dtype.kind == "f" else str(v) for v in values.ravel())
    print("static const %s %s[%d] = { %s };" % ("double" if values.dtype.kind == "f" else "int32_t", name, values.size, flat))


print("/* ensemble.inc - made by make_ensemble.py. */")
print("enum { M = %d, K = %d, N = %d, T = %d };" % (M, K, N, T))
GIVEN = [1.0, 2.5, 0.0, 0.5]
write("given", GIVEN)
write("hard_equal", voting("hard", None).predict(asked).astype(int))
write("hard_given", voting("hard", GIVEN).predict(asked).astype(int))
write("soft_equal", voting("soft", None).predict_proba(asked))
write("soft_given", voting("soft", GIVEN).predict_proba(asked))
write("logits_given", softmax(np.average(z[:, answer], axis=0, weights=GIVEN), axis=1))
write("stack_logarithms", regression(1.0).fit(features(learn), y).predict_proba(features(answer)))
write("stack_loose", regression(20.0).fit(features(learn), y).predict_proba(features(answer)))
stacking = StackingClassifier(members, final_estimator=regression(4.0), cv="prefit").fit(X, y)
write("stack_probabilities", stacking.predict_proba(asked))
two = regression(2.0).fit(features(learn, 2, 2), y % 2)
write("stack_of_two", two.predict_proba(features(answer, 2, 2)))

hits = (p[:, learn].argmax(2) == y).sum(1)
write("by_accuracy", hits / hits.sum())
a = (hits + 0.5) / (N + 1)
odds = np.maximum(0, np.log(a / (1 - a)) + np.log(K - 1))
write("by_odds", odds / odds.sum())
for name, f in ("mixture", mixture), ("pooled", pooled):
    w, best = fitted(f)
    write("by_" + name, w)
    write("best_" + name, [best])
votes = np.eye(K)[z[:, learn].argmax(2)]
write("greedy_hard", greedy(votes, None, 12))
write("greedy_soft", greedy(p[:, learn], mixture, 12))
write("greedy_logits", greedy(z[:, learn], pooled, 12))

said = z[:, learn].argmax(2)
pairs = (said[:, None] != said[None]).mean(2)
write("pairs_wanted", pairs)
write("diversity_wanted", [hits.mean() / N, hits.max() / N, (said == y).any(0).mean(), pairs[np.tril_indices(M, -1)].mean()])
