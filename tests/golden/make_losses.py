#!/usr/bin/env python3
"""Writes losses.inc: values and gradients of focal, divergence, distillation and metric losses, in double.

Where PyTorch or torchvision has the loss it is called; the others are written here from their papers' formulas, densely,
with masks, and differentiated by autograd. Inputs come from number(), which tests/golden.h repeats in C.
Made with PyTorch 2.15 and torchvision. Usage: make_losses.py > losses.inc
"""
import itertools
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss
from common import number, text

N, C = 12, 19
LIKES = torch.tensor([5, 1, 5, 9, 1, 1, 5, 9, 2, 5, 1, -7])
CLASSES = torch.tensor([3, 18, 0, 7, 3, 3, 11, 4, 4, 18, 1, 2])


def matrix(stream, scale=1.0):
    return torch.tensor([[number(stream, i * C + j) * scale for j in range(C)] for i in range(N)], dtype=torch.float64)


logits, teacher, raw = matrix(1, 3.0), matrix(5, 3.0), matrix(2)
embeddings = matrix(6, 0.5)
hits = (raw > 0.5).double()
shares = (raw + 2) / 4
soft = (raw + 2) * (raw > -1.5)
soft = soft / soft.sum(1, keepdim=True)
alpha = torch.tensor([number(3, j) + 2.5 for j in range(C)], dtype=torch.float64)
same = LIKES[:, None] == LIKES[None, :]
eye = torch.eye(N, dtype=torch.bool)
positive, negative = same & ~eye, ~same


def put(kind, options, x0, f):
    """A row; f gives value, weight, count and active."""
    x = x0.clone().requires_grad_()
    value, weight, count, active = f(x)
    value.backward()
    print("{ %s, { %s }, %s, %s, %d, %d, { %s } }," % (
        kind, ", ".join(text(o) for o in options), text(value.item()), text(float(weight)), count, active,
        ", ".join(text(v) for v in x.grad.flatten().tolist())))


def reduced(total, weight, is_sum):
    return total if is_sum else total / weight


def focal(x, gamma, weigh, ignore, is_sum):
    kept = CLASSES != 3 if ignore else torch.ones(N, dtype=torch.bool)
    log_p = F.log_softmax(x, 1).gather(1, CLASSES[:, None])[:, 0][kept]
    a = alpha[CLASSES[kept]] if weigh else 1.0
    terms = -a * (1 - log_p.exp()) ** gamma * log_p
    return reduced(terms.sum(), int(kept.sum()), is_sum), int(kept.sum()), int(kept.sum()), 0


def distances(x, squared, normalise):
    if normalise:
        x = F.normalize(x)
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return d * d if squared else d


def triplet(x, mining, margin, softly, squared, normalise, is_sum):
    d = distances(x, squared, normalise)
    terms = []
    anchors = [i for i in range(N) if positive[i].any() and negative[i].any()]
    for i in anchors:
        others = d[i][negative[i]]
        for_hard = [(d[i][positive[i]].max(), others.min())]
        for p in d[i][positive[i]]:
            if mining == 1:
                beyond = others[others > p]
                terms.append((p, beyond.min() if len(beyond) else others.max()))
            if mining == 2:
                terms += [(p, n) for n in others]
        if mining == 0:
            terms += for_hard
    u = torch.stack([p - n for p, n in terms])
    value = F.softplus(u) if softly else F.relu(u + margin)
    active = int((value > 0).sum())
    weight = active if mining == 2 else len(terms)
    return reduced(value.sum(), weight, is_sum), weight, len(anchors), active


def triplet_margin(x, margin, eps, swap, interleaved, is_sum):
    a, p, n = (x[0::3], x[1::3], x[2::3]) if interleaved else (x[:4], x[4:8], x[8:])
    make = lambda reduction: torch.nn.TripletMarginLoss(margin=margin, eps=eps, swap=bool(swap), reduction=reduction)
    return make("sum" if is_sum else "mean")(a, p, n), 4, 4, int((make("none")(a, p, n) > 0).sum())


def contrastive(x, margin, normalise, is_sum):
    d = distances(x, 0, normalise)[torch.triu(torch.ones(N, N), 1).bool()]
    like = same[torch.triu(torch.ones(N, N), 1).bool()]
    terms = torch.where(like, d * d / 2, F.relu(margin - d) ** 2 / 2)
    return reduced(terms.sum(), len(d), is_sum), len(d), N, int((terms > 0).sum())


def supervised(x, likes, temperature, normalise, is_sum):
    z = F.normalize(x) if normalise else x
    log_p = F.log_softmax((z @ z.T / temperature).masked_fill(eye, -torch.inf), 1).masked_fill(eye, 0.0)
    counted = likes.any(1)
    terms = -(log_p * likes).sum(1)[counted] / likes.sum(1)[counted]
    return reduced(terms.sum(), int(counted.sum()), is_sum), int(counted.sum()), int(counted.sum()), int((terms > 0).sum())


def nt_xent(x, temperature, normalise, is_sum):
    """As a cross-entropy whose class is the other view."""
    z = F.normalize(x) if normalise else x
    s = (z @ z.T / temperature).masked_fill(eye, -torch.inf)
    other = (torch.arange(N) + N // 2) % N
    return F.cross_entropy(s, other, reduction="sum" if is_sum else "mean"), N, N, N


def distillation(x, temperature, mix, smooth, use_soft, is_sum):
    targets = soft if use_soft else CLASSES
    hard = F.cross_entropy(x, targets, label_smoothing=smooth, reduction="sum")
    t = temperature
    kl = torch.nn.KLDivLoss(reduction="sum")(F.log_softmax(x / t, 1), F.softmax(teacher / t, 1))
    return reduced(mix * hard + (1 - mix) * t * t * kl, N, is_sum), N, N, 0


print("/* losses.inc - made by make_losses.py. { kind, options, value, weight, count, active, gradient } */")
for gamma, weigh, ignore, is_sum in itertools.product([0.0, 0.5, 2.0], [0, 1], [0, 1], [0, 1]):
    if gamma == 2.0 or (weigh == ignore and is_sum == 0):
        put("FOCAL", [gamma, weigh, ignore, is_sum], logits, lambda x: focal(x, gamma, weigh, ignore, is_sum))
for a, gamma, use_shares, is_sum in [(0.25, 2.0, 0, 0), (0.25, 2.0, 0, 1), (-1.0, 2.0, 0, 0), (0.25, 2.0, 1, 0),
                                     (0.5, 0.0, 1, 0), (0.75, 0.5, 0, 0), (-1.0, 3.5, 1, 1)]:
    t = shares if use_shares else hits
    put("SIGMOID_FOCAL", [a, gamma, use_shares, is_sum], logits,
        lambda x: (sigmoid_focal_loss(x, t, alpha=a, gamma=gamma, reduction="sum" if is_sum else "mean"), N * C, N, 0))
for is_sum in [0, 1]:
    put("KL_DIVERGENCE", [is_sum], logits,
        lambda x: (torch.nn.KLDivLoss(reduction="sum" if is_sum else "batchmean")(F.log_softmax(x, 1), soft), N, N, 0))
for o in [(4.0, 0.1, 0.0, 0, 0), (1.0, 0.5, 0.0, 0, 0), (2.0, 0.3, 0.1, 1, 0), (8.0, 0.0, 0.0, 0, 1), (0.5, 1.0, 0.1, 0, 0)]:
    put("DISTILLATION", o, logits, lambda x: distillation(x, *o))
for mining, (margin, softly, squared, normalise, is_sum) in itertools.product([0, 1, 2], [
        (0.2, 0, 0, 0, 0), (1.0, 0, 0, 0, 1), (0.0, 1, 0, 0, 0), (1.0, 0, 1, 0, 0), (0.3, 0, 0, 1, 0), (0.2, 0, 1, 1, 0),
        (0.0, 1, 1, 1, 1)]):
    put("TRIPLET", [mining, margin, softly, squared, normalise, is_sum], embeddings,
        lambda x: triplet(x, mining, margin, softly, squared, normalise, is_sum))
for o in [(1.0, 1e-6, 0, 0, 0), (1.0, 1e-6, 1, 0, 0), (2.0, 1e-6, 1, 1, 1), (0.5, 0.25, 0, 1, 0)]:
    put("TRIPLET_MARGIN", o, embeddings, lambda x: triplet_margin(x, *o))
for o in [(1.0, 0, 0), (4.0, 0, 0), (1.25, 1, 0), (3.5, 0, 1)]:
    put("CONTRASTIVE", o, embeddings, lambda x: contrastive(x, *o))
for o in [(0.1, 1, 0), (0.5, 1, 1), (2.0, 0, 0)]:
    put("SUPERVISED_CONTRASTIVE", o, embeddings, lambda x: supervised(x, positive, *o))
    put("NT_XENT", o, embeddings, lambda x: nt_xent(x, *o))
