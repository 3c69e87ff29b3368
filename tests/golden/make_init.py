#!/usr/bin/env python3
"""Writes init.inc into this folder: first values as PyTorch makes them. Whitening is the code of airbench94 (Jordan 2024,
init_whitening_conv of legacy/airbench94.py) in double, with the sign of each eigenvector such that its largest element is
positive; its images come from number(), which tests/golden.h repeats in C. Dirac: torch.nn.init.dirac_, as the indices of the
ones. Made with PyTorch 2.15."""
import os
import torch
from common import number, text

here = os.path.dirname(os.path.abspath(__file__))


def images(n, c, h, w):
    """Neighbours are alike, and so are channels."""
    x = torch.tensor([number(1, i) for i in range(n * c * h * w)], dtype=torch.float64).reshape(n, c, h, w)
    x = x * torch.tensor([0.25, 0.125, 0.0625], dtype=torch.float64)[:c].reshape(1, c, 1, 1)
    return (x.cumsum(3).float().double() + 0.5).float().double()


def get_patches(x, patch_shape):
    c, (h, w) = x.shape[1], patch_shape
    return x.unfold(2, h, 1).unfold(3, w, 1).transpose(1, 3).reshape(-1, c, h, w)


def whitening(x, h, w, eps):
    patches = get_patches(x, (h, w))
    n, c, h, w = patches.shape
    flat = patches.view(n, -1)
    eigenvalues, eigenvectors = torch.linalg.eigh((flat.T @ flat) / n, UPLO="U")
    values, vectors = eigenvalues.flip(0).view(-1, 1), eigenvectors.T.flip(0)
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    scaled = vectors / torch.sqrt(values + eps)
    return torch.cat((scaled, -scaled))


def array(name, kind, values):
    return "static const %s %s[] = {\n\t%s,\n};\n" % (kind, name, ",\n\t".join(
        ", ".join(values[i:i + 8]) for i in range(0, len(values), 8)))


if __name__ == "__main__":
    with open(os.path.join(here, "init.inc"), "w") as f:
        f.write("/* init.inc - made by make_init.py. */\n")
        for name, shape, kernel, eps in (("whitening_2x2", (7, 3, 9, 8), (2, 2), 5e-4), ("whitening_3x2", (4, 2, 8, 9), (3, 2), 0.01)):
            w = whitening(images(*shape), *kernel, eps)
            f.write(array(name, "float", [text(v) + ("f" if "." in text(v) or "e" in text(v) else ".0f") for v in w.flatten().tolist()]))
        f.write("/* { out, in, kernel h, w, groups, ones, their indices in PyTorch's order } */\n"
                "static const struct {\n\tint64_t out, in, kernel_h, kernel_w, groups;\n\tint count;\n\tint64_t at[16];\n} diracs[] = {\n")
        for o, i, h, w, g in ((5, 3, 3, 3, 1), (3, 5, 3, 3, 1), (4, 4, 2, 4, 1), (6, 4, 3, 1, 2), (9, 6, 1, 3, 3), (4, 4, 3, 3, 4)):
            t = torch.zeros(o, i // g, h, w)
            torch.nn.init.dirac_(t, g)
            at = t.flatten().nonzero().flatten().tolist()
            f.write("\t{ %d, %d, %d, %d, %d, %d, { %s } },\n" % (o, i, h, w, g, len(at), ", ".join(map(str, at))))
        f.write("};\n")
