#!/usr/bin/env python3
"""Writes optim.inc and schedule.inc beside it: weights after 50 steps of PyTorch's optimizers, in double, for every
combination of options, and 200 factors of its schedules.

Weights and gradients come from number(), which tests/golden.h repeats in C. Made with PyTorch 2.15.
"""
import itertools
import os
import torch
from common import number, text

N, STEPS, SPLIT = 37, 50, 20
here = os.path.dirname(os.path.abspath(__file__))
NAMES = ["lr", "momentum", "dampening", "nesterov", "beta1", "beta2", "epsilon", "alpha", "centered", "weight_decay", "l1",
         "max_norm", "max_value", "scale", "groups"]


def run(kind, o):
    w = torch.tensor([number(10, i) for i in range(N)], dtype=torch.float64)
    parts = [w[:SPLIT].clone().requires_grad_(), w[SPLIT:].clone().requires_grad_()]
    lr, decay = o["lr"], o["weight_decay"]
    groups = [{"params": [parts[0]]}, {"params": [parts[1]]}]
    if o["groups"]:
        groups[1].update(lr=lr * 0.5, weight_decay=0.0)
    if kind == "sgd":
        opt = torch.optim.SGD(groups, lr=lr, momentum=o["momentum"], dampening=o["dampening"], weight_decay=decay,
                              nesterov=bool(o["nesterov"]), foreach=False)
    elif kind == "rmsprop":
        opt = torch.optim.RMSprop(groups, lr=lr, alpha=o["alpha"], eps=o["epsilon"], momentum=o["momentum"],
                                  weight_decay=decay, centered=bool(o["centered"]), foreach=False)
    else:
        make = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
        opt = make(groups, lr=lr, betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], weight_decay=decay, foreach=False)
    for t in range(STEPS):
        g = torch.tensor([number(100 + t, i) for i in range(N)], dtype=torch.float64) * o["scale"]
        parts[0].grad, parts[1].grad = g[:SPLIT].clone(), g[SPLIT:].clone()
        if o["max_norm"]:
            torch.nn.utils.clip_grad_norm_(parts, o["max_norm"])
        if o["max_value"]:
            torch.nn.utils.clip_grad_value_(parts, o["max_value"])
        for p in parts:
            p.grad += o["l1"] * torch.sign(p.detach())
        opt.step()
    return torch.cat([p.detach() for p in parts]).tolist()


def case(out, kind, **given):
    o = dict.fromkeys(NAMES, 0.0)
    o.update(lr=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8, alpha=0.99, scale=1.0)
    o.update(given)
    out.write("{ %s, %s, { %s } },\n" % (kind.upper(), ", ".join(text(o[n]) for n in NAMES),
                                         ", ".join(text(v) for v in run(kind, o))))


with open(os.path.join(here, "optim.inc"), "w") as out:
    out.write("/* optim.inc - made by make_optim.py. { kind, %s, weights } */\n" % ", ".join(NAMES))
    for momentum, dampening, nesterov, decay in itertools.product([0, 0.9], [0, 0.5], [0, 1], [0, 0.05]):
        if (nesterov and (dampening or not momentum)) or (dampening and not momentum):
            continue
        case(out, "sgd", momentum=momentum, dampening=dampening, nesterov=nesterov, weight_decay=decay)
    for kind, decay, beta2, epsilon in itertools.product(["adam", "adamw"], [0, 0.1], [0.999, 0.9], [1e-8, 1e-3]):
        case(out, kind, weight_decay=decay, beta2=beta2, epsilon=epsilon)
    for momentum, centered, decay in itertools.product([0, 0.9], [0, 1], [0, 0.05]):
        case(out, "rmsprop", lr=0.002, alpha=0.95, momentum=momentum, centered=centered, weight_decay=decay)
    for kind in ["sgd", "adam", "adamw", "rmsprop"]:
        case(out, kind, l1=0.02)
        case(out, kind, max_norm=3.0, weight_decay=0.01)
        case(out, kind, max_value=0.75)
        case(out, kind, max_norm=4.0, max_value=0.5, scale=0.25, weight_decay=0.01, l1=0.01)
        case(out, kind, groups=1, weight_decay=0.1)

with open(os.path.join(here, "schedule.inc"), "w") as out:
    S = torch.optim.lr_scheduler
    out.write("/* schedule.inc - made by make_optim.py. 200 factors of each schedule. */\n")
    makers = [("STEP", lambda o: S.StepLR(o, 30, 0.3)), ("EXPONENTIAL", lambda o: S.ExponentialLR(o, 0.97)),
              ("COSINE", lambda o: S.CosineAnnealingLR(o, 199, eta_min=0.05)),
              ("WARMUP", lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 20), S.CosineAnnealingLR(o, 180)], [20]))]
    for name, make in makers:
        opt = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        schedule = make(opt)
        values = []
        for _ in range(200):
            values.append("%.16g" % opt.param_groups[0]["lr"])
            opt.step()
            schedule.step()
        out.write("{ %s, { %s } },\n" % (name, ", ".join(values)))
