"""Label issues of real out-of-fold probabilities, as examples/15_audit.c --save leaves them, against cleanlab's, sample by sample.

usage: check_cleanlab.py DIR   (numpy, cleanlab)

DIR holds probabilities.npy, labels.npy, wrong.npy (what was put in, may be all 0) and found.npy (a column a filter). Prints how
many each finds and agrees on; ends with status 1 where they differ by more than equal scores can explain (0.1 % of the issues).
"""
import sys

import numpy
from cleanlab.filter import find_label_issues

FILTERS = ["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "low_self_confidence"]


def main():
    given, wrong = (numpy.load(f"{sys.argv[1]}/{name}.npy").ravel() for name in ("labels", "wrong"))
    values = numpy.load(f"{sys.argv[1]}/probabilities.npy").astype(numpy.float64)
    mine = numpy.load(f"{sys.argv[1]}/found.npy").astype(bool)
    read = numpy.isfinite(values).all(axis=1)
    given, wrong, values, mine = given[read], wrong[read].astype(bool), values[read], mine[read]
    neither = find_label_issues(given, values, filter_by="predicted_neq_given", n_jobs=1)
    failed = False
    for column, how in enumerate(FILTERS):
        theirs = find_label_issues(given, values, filter_by=how, n_jobs=1)
        if how == "low_self_confidence":
            theirs &= neither
        differ = (mine[:, column] != theirs).sum()
        failed |= differ > max(1, theirs.sum() // 1000)
        line = f"{how:20s} {mine[:, column].sum():6d} here, {theirs.sum():6d} cleanlab, {differ} samples differ"
        for name, found in (("here", mine[:, column]), ("cleanlab", theirs)):
            if wrong.any() and found.any():
                line += f"; {name} precision {wrong[found].mean():.4f} recall {found[wrong].mean():.4f}"
        print(line)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
