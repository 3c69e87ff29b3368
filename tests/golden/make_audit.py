"""Values for tests/data/audit.c and audit_tables.c: perceptual hashes as imagehash makes them, label errors as cleanlab
finds them.

usage: make_audit.py > audit.inc   (numpy, Pillow, scipy, imagehash, cleanlab)
"""
import imagehash
import numpy
from cleanlab.filter import find_label_issues
from PIL import Image


def array(kind, name, values, form="{}"):
    values = list(values)
    print(f"static const {kind} {name}[{len(values)}] = {{")
    for i in range(0, len(values), 12):
        print("\t" + ", ".join(form.format(v) for v in values[i:i + 12]) + ",")
    print("};")


def picture(k):
    """32 x 32 grey, by a formula that the test has too."""
    y, x = numpy.mgrid[0:32, 0:32]
    return ((x * x * (k + 1) + y * y * 3 + x * y * (k + 2) + x * 7 * k) % 251).astype(numpy.uint8)


def probabilities(rng, samples, classes, noise, sharp):
    true = rng.integers(0, classes, samples)
    given = true.copy()
    wrong = rng.random(samples) < noise
    given[wrong] = rng.integers(0, classes, wrong.sum())
    logits = rng.normal(size=(samples, classes))
    logits[numpy.arange(samples), true] += sharp
    p = numpy.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    # Few digits, so that the text is short and the floats are the same.
    return given, numpy.round(p * 1000000).astype(int)


def find(given, values, classes):
    """A bit for each filter; or None where the result depends on how numpy's sort treats equals, which no one can follow."""
    masks = []
    for turn in range(4):
        order = numpy.random.default_rng(turn).permutation(classes) if turn else numpy.arange(classes)
        renamed = numpy.argsort(order)[given]
        mask = numpy.zeros(len(given), dtype=int)
        for bit, how in enumerate(FILTERS):
            found = find_label_issues(renamed, values[:, order], filter_by=how, n_jobs=1)
            if how == "low_self_confidence":  # a label that is the most probable one is never found here
                found &= find_label_issues(renamed, values[:, order], filter_by="predicted_neq_given", n_jobs=1)
            mask |= found.astype(int) << bit
        masks.append(mask)
    return masks[0] if all((mask == masks[0]).all() for mask in masks) else None


FILTERS = ["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "low_self_confidence"]


def main():
    print("/* audit.inc - made by make_audit.py; not to be edited. */")
    hashes = [imagehash.phash(Image.fromarray(picture(k))) for k in range(8)]
    array("uint64_t", "golden_hashes", [str(h) for h in hashes], "0x{}u")
    for n, (samples, classes, noise, sharp) in enumerate([(400, 5, 0.2, 3.0), (250, 10, 0.35, 2.0), (60, 3, 0.1, 1.0)]):
        masks, seed = None, 0
        while masks is None:
            given, p = probabilities(numpy.random.default_rng(seed), samples, classes, noise, sharp)
            values = p.astype(numpy.float32) / numpy.float32(1000000)
            masks = find(given, values.astype(numpy.float64), classes)
            seed += 1
        array("uint8_t", f"labels_{n}", given)
        array("uint32_t", f"millionths_{n}", p.ravel())
        array("uint8_t", f"found_{n}", masks)


if __name__ == "__main__":
    main()
