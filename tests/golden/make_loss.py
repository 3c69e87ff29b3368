#!/usr/bin/env python3
"""Writes loss.inc: values and gradients of PyTorch's losses, in double, for every combination of options.

Inputs come from number(), which tests/golden.h repeats in C. Made with PyTorch 2.15.
Usage: make_loss.py > loss.inc
"""
import itertools
import torch
import torch.nn.functional as F
from common import number, text

N, C = 5, 19
x0 = torch.tensor([[number(1, i * C + j) * 3 for j in range(C)] for i in range(N)], dtype=torch.float64)
t0 = torch.tensor([[number(2, i * C + j) for j in range(C)] for i in range(N)], dtype=torch.float64)
labels = torch.tensor([3, 18, 0, 7, 3])
weights = torch.tensor([number(3, j) + 2.5 for j in range(C)], dtype=torch.float64)
positive = torch.tensor([number(4, j) + 2.5 for j in range(C)], dtype=torch.float64)
soft = (t0 + 2) / (t0 + 2).sum(1, keepdim=True)


def put(fields, f):
    x = x0.clone().requires_grad_()
    value = f(x)
    value.backward()
    print("{ %s, %s, { %s } }," % (", ".join(fields), text(value.item()), ", ".join(text(v) for v in x.grad.flatten().tolist())))


print("/* loss.inc - made by make_loss.py. { kind, soft, smoothing, weights, ignore, sum, value, gradient } */")
for is_soft, smooth, weigh, ignore, total in itertools.product([0, 1], [0.0, 0.1], [0, 1], [0, 1], [0, 1]):
    if is_soft and ignore:
        continue
    put(["CROSS_ENTROPY", str(is_soft), text(smooth), str(weigh), str(ignore), str(total)],
        lambda x: F.cross_entropy(x, soft if is_soft else labels, weight=weights if weigh else None,
                                  ignore_index=3 if ignore else -100, label_smoothing=smooth,
                                  reduction="sum" if total else "mean"))
for total in [0, 1]:
    put(["MSE", "1", "0", "0", "0", str(total)], lambda x: F.mse_loss(x, t0, reduction="sum" if total else "mean"))
for weigh, total in itertools.product([0, 1, 2], [0, 1]):
    pos = [None, positive[:1], positive][weigh]
    put(["BCE", "1", "0", str(weigh), "0", str(total)],
        lambda x: F.binary_cross_entropy_with_logits(x, (t0 + 2) / 4, pos_weight=pos, reduction="sum" if total else "mean"))
