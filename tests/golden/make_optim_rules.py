#!/usr/bin/env python3
"""Writes optim_rules.inc and optim_rules.f32 beside it: the parameters of a small network, in PyTorch's order, after 50 steps of
optimizers that look at whole tensors or that PyTorch lacks, in double; sam.inc, weights after 30 steps of SAM; average.inc,
averages of weights; schedule_more.inc and plateau.inc, factors of schedules; refresh.inc, running statistics of update_bn().

Adagrad, NAdam, Adam and Muon are PyTorch's own code; Muon's, which rounds to bfloat16, is run with double in its place. LAMB
and Lion follow their papers' algorithms. Made with PyTorch 2.15.
"""
import os
import struct
import numpy as np
import torch
from torch.optim import lr_scheduler as S
from torch.optim import swa_utils
from common import number, text

here = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)
STEPS, CHANGE = 50, 25
# As tests/optim/rules.c builds them: conv2d, batch_norm2d, three linear layers.
SHAPES = [(7, 3, 3, 3), (7,), (7,), (7,), (9, 28), (9,), (23, 9), (23,), (5, 23), (5,)]
BIASES = [1, 3, 5, 7, 9]
HIDDEN = [0, 4, 6]
NAMES = ["lr", "weight_decay", "epsilon", "groups", "l1", "max_norm", "x", "y", "z"]


def tensor(stream, shape):
    n = int(np.prod(shape))
    return torch.tensor([number(stream, i) for i in range(n)]).reshape(shape)


def lion(p, g, state, lr, decay, beta1, beta2):
    """Chen et al. 2023, algorithm 2."""
    m = state.setdefault("m", torch.zeros_like(p))
    c = beta1 * m + (1 - beta1) * g
    p.mul_(1 - lr * decay).sub_(lr * torch.sign(c))
    m.mul_(beta2).add_((1 - beta2) * g)


def lamb(p, g, state, t, lr, decay, eps, correct, always, beta1=0.9, beta2=0.999):
    """You et al. 2020, algorithm 2."""
    m = state.setdefault("m", torch.zeros_like(p))
    v = state.setdefault("v", torch.zeros_like(p))
    m.mul_(beta1).add_((1 - beta1) * g)
    v.mul_(beta2).add_((1 - beta2) * g * g)
    mh, vh = (m / (1 - beta1 ** t), v / (1 - beta2 ** t)) if correct else (m, v)
    u = mh / (vh.sqrt() + eps) + decay * p
    ratio = p.norm() / u.norm() if (always or decay) and p.norm() > 0 and u.norm() > 0 else 1.0
    p.sub_(lr * ratio * u)


def run(kind, o):
    params = [tensor(10 + k, s) for k, s in enumerate(SHAPES)]
    scale = [0.5 if o["groups"] and k in BIASES else 1.0 for k in range(len(SHAPES))]
    decay = [0.0 if o["groups"] and k in BIASES else o["weight_decay"] for k in range(len(SHAPES))]
    matrices = HIDDEN + ([8] if o["groups"] else []) if kind == "muon" else []
    for k in matrices:
        params[k] = params[k].reshape(SHAPES[k][0], -1).contiguous()
    for p in params:
        p.requires_grad_()

    def groups(which, lr=1.0, decays=decay):
        return [{"params": [params[k]], "lr": o["lr"] * lr * scale[k], "weight_decay": decays[k]} for k in which]
    every = range(len(params))
    opts = []
    if kind == "adagrad":
        opts = [torch.optim.Adagrad(groups(every), lr_decay=o["x"], initial_accumulator_value=o["y"], eps=o["epsilon"],
                                    foreach=False)]
    elif kind == "nadam":
        opts = [torch.optim.NAdam(groups(every), momentum_decay=o["x"], decoupled_weight_decay=bool(o["y"]),
                                  eps=o["epsilon"], foreach=False)]
    elif kind == "muon":
        fn = {0: "original", 1: "match_rms_adamw", 2: "spectral_unclamped"}[o["x"]]
        others = [k for k in every if k not in matrices]
        other_decay = [d / 2 for d in decay]
        opts = [torch.optim.Muon(groups(matrices), momentum=0.95, nesterov=bool(o["y"]), ns_steps=int(o["z"]), eps=o["epsilon"],
                                 adjust_lr_fn=fn),
                torch.optim.AdamW(groups(others, 0.25, other_decay), betas=(0.9, 0.95), eps=1e-10, foreach=False)]
    states = [{} for _ in params]
    lr = o["lr"]
    for t in range(STEPS):
        if t == CHANGE:
            lr *= 0.3
            for opt in opts:
                for g in opt.param_groups:
                    g["lr"] *= 0.3
        for k, p in enumerate(params):
            p.grad = tensor(1000 + 16 * t + k, SHAPES[k]).reshape(p.shape)
        if o["max_norm"]:
            torch.nn.utils.clip_grad_norm_(params, o["max_norm"])
        with torch.no_grad():
            for p in params:
                p.grad += o["l1"] * torch.sign(p)
            for k, p in enumerate(params):
                if kind == "lion":
                    lion(p, p.grad, states[k], lr * scale[k], decay[k], o["x"], o["y"])
                elif kind == "lamb":
                    lamb(p, p.grad, states[k], t + 1, lr * scale[k], decay[k], o["epsilon"], o["x"], o["y"])
        kept, torch.bfloat16 = torch.bfloat16, torch.float64
        for opt in opts:
            opt.step()
        torch.bfloat16 = kept
    return torch.cat([p.detach().reshape(-1) for p in params]).tolist()


rows, floats = [], []


def case(kind, **given):
    o = dict.fromkeys(NAMES, 0.0)
    o.update(given)
    rows.append("{ %s, %s },\n" % (kind.upper(), ", ".join(text(o[n]) for n in NAMES)))
    floats.extend(run(kind, o))


case("adagrad", lr=0.05, epsilon=1e-10)
case("adagrad", lr=0.05, epsilon=1e-3, weight_decay=0.1, x=0.02, y=0.5)
case("adagrad", lr=0.05, epsilon=1e-10, l1=0.02, max_norm=20.0, groups=1, weight_decay=0.1)
case("nadam", lr=0.01, epsilon=1e-8, x=4e-3)
case("nadam", lr=0.01, epsilon=1e-3, x=0.5, weight_decay=0.1)
case("nadam", lr=0.01, epsilon=1e-8, x=4e-3, y=1, weight_decay=0.1, groups=1)
case("lion", lr=0.005, x=0.9, y=0.99)
case("lion", lr=0.005, x=0.95, y=0.98, weight_decay=1.0, l1=0.02, groups=1)
case("lamb", lr=0.01, epsilon=1e-6, x=1, y=1)
case("lamb", lr=0.01, epsilon=1e-6, x=0, y=1, weight_decay=0.05, max_norm=20.0)
case("lamb", lr=0.01, epsilon=1e-3, x=1, y=0, weight_decay=0.05, groups=1, l1=0.02)
case("muon", lr=0.02, epsilon=1e-7, x=0, y=1, z=5)
case("muon", lr=0.02, epsilon=1e-7, x=1, y=0, z=5, weight_decay=0.1)
case("muon", lr=0.02, epsilon=1e-7, x=2, y=1, z=3, weight_decay=0.1, groups=1, l1=0.02, max_norm=20.0)

with open(os.path.join(here, "optim_rules.inc"), "w") as out:
    out.write("/* optim_rules.inc - made by make_optim_rules.py. { kind, %s } */\n" % ", ".join(NAMES))
    out.writelines(rows)
with open(os.path.join(here, "optim_rules.f32"), "wb") as out:
    out.write(struct.pack("<%df" % len(floats), *floats))


def sam(rho, adaptive):
    """Foret et al. 2021; Kwon et al. 2021. The gradient at w is 0.7 w - 0.3 + 0.1 sin(3 w)."""
    w = tensor(10, (37,)).requires_grad_()
    opt = torch.optim.SGD([w], lr=0.05, momentum=0.9, weight_decay=0.01)

    def slope(w):
        return 0.7 * w - 0.3 + 0.1 * torch.sin(3 * w)
    for _ in range(30):
        with torch.no_grad():
            g = slope(w)
            e = rho * w * w * g / (w * g).norm() if adaptive else rho * g / g.norm()
            w.grad = slope(w + e)
        opt.step()
    return w.tolist()


with open(os.path.join(here, "sam.inc"), "w") as out:
    out.write("/* sam.inc - made by make_optim_rules.py. { rho, adaptive, weights } */\n")
    for rho, adaptive in [(0.05, 0), (0.5, 1)]:
        out.write("{ %s, %d, { %s } },\n" % (text(rho), adaptive, ", ".join(text(v) for v in sam(rho, adaptive))))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(37))
        self.register_buffer("s", torch.zeros(5))


def averages(kind, every, start):
    """The averages of weights number(500 + t) and state number(700 + t) of update t, from 1, over 60 updates."""
    net = Net()
    net.w.data.copy_(tensor(500, (37,)))
    net.s.copy_(tensor(700, (5,)))
    if kind == "lookahead" or kind == "airbench":
        slow = {n: v.clone() for n, v in net.state_dict().items()}
        w = {n: v.clone() for n, v in net.state_dict().items()}
        for t in range(1, 61):
            w["w"] = w["w"] + 0.1 * tensor(500 + t, (37,))
            w["s"] = w["s"] + 0.1 * tensor(700 + t, (5,))
            if t % every == 0:
                d = 0.95 ** 5 * (t / 60) ** 3 if kind == "airbench" else 0.5
                for n in slow:
                    slow[n].lerp_(w[n], 1 - d)
                    w[n] = slow[n].clone()
        return slow["w"].tolist() + slow["s"].tolist()
    warm = {"n": 0}

    def warmed(averaged, model, n):
        warm["n"] = int(n)
        d = min(0.9, (1 + int(n) - 1) / (10 + int(n) - 1))
        return averaged * d + (1 - d) * model
    how = {"ema": dict(multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9)), "warm": dict(avg_fn=warmed), "swa": {}}[kind]
    model = swa_utils.AveragedModel(net, use_buffers=True, **how)
    for t in range(1, 61):
        net.w.data.copy_(tensor(500 + t, (37,)))
        net.s.copy_(tensor(700 + t, (5,)))
        if t > start and (t - start) % every == 0:
            model.update_parameters(net)
    return model.module.w.tolist() + model.module.s.tolist()


with open(os.path.join(here, "average.inc"), "w") as out:
    out.write("/* average.inc - made by make_optim_rules.py. { kind, every, start, weights and state } */\n")
    for kind, every, start in [("ema", 1, 0), ("ema", 3, 10), ("warm", 1, 0), ("swa", 1, 0), ("swa", 7, 20), ("lookahead", 5, 0),
                               ("airbench", 5, 0)]:
        out.write("{ %s, %d, %d, { %s } },\n" % (kind.upper(), every, start,
                                                 ", ".join(text(v) for v in averages(kind, every, start))))

LENGTH = 260


def triangle(steps, start, end, peak):
    """legacy/airbench94.py"""
    xp = torch.tensor([0, int(peak * steps), steps], dtype=torch.float64)
    fp = torch.tensor([start, 1, end], dtype=torch.float64)
    x = torch.arange(1 + steps, dtype=torch.float64)
    m = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
    b = fp[:-1] - (m * xp[:-1])
    at = torch.clamp(torch.sum(torch.ge(x[:, None], xp[None, :]), 1) - 1, 0, len(m) - 1)
    return (m[at] * x + b[at]).tolist()


def chained(o):
    return S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 20), S.MultiStepLR(o, [30, 60, 60], 0.5),
                              S.ExponentialLR(o, 0.97), S.CosineAnnealingLR(o, 89, eta_min=0.1)], [20, 120, 170])


with open(os.path.join(here, "schedule_more.inc"), "w") as out:
    out.write("/* schedule_more.inc - made by make_optim_rules.py. %d factors of each schedule. */\n" % LENGTH)
    makers = [("MULTI_STEP", lambda o: S.MultiStepLR(o, [40, 41, 100, 100, 230], 0.3)),
              ("POLYNOMIAL", lambda o: S.PolynomialLR(o, 210, 2.0)), ("LINEAR", lambda o: S.LinearLR(o, 0.25, 0.6, 190)),
              ("RESTARTS", lambda o: S.CosineAnnealingWarmRestarts(o, 17, 2, eta_min=0.05)),
              ("EQUAL_RESTARTS", lambda o: S.CosineAnnealingWarmRestarts(o, 50)),
              ("ONE_CYCLE", lambda o: S.OneCycleLR(o, 1.0, total_steps=LENGTH, cycle_momentum=False)),
              ("ONE_CYCLE_LINEAR", lambda o: S.OneCycleLR(o, 1.0, total_steps=LENGTH, pct_start=0.413, div_factor=10,
                                                          final_div_factor=100, anneal_strategy="linear", cycle_momentum=False)),
              ("SEQUENCE", chained)]
    for name, make in makers:
        opt = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        schedule = make(opt)
        values = []
        for i in range(LENGTH):
            values.append("%.16g" % opt.param_groups[0]["lr"])
            opt.step()
            if i + 1 < LENGTH:
                schedule.step()
        out.write("{ %s, { %s } },\n" % (name, ", ".join(values)))
    out.write("{ TRIANGLE, { %s } },\n" % ", ".join("%.16g" % v for v in triangle(LENGTH - 1, 0.2, 0.07, 0.23)))

with open(os.path.join(here, "plateau.inc"), "w") as out:
    out.write("/* plateau.inc - made by make_optim_rules.py. { maximise, absolute, 120 factors after value number(900, i) / (1 + i / 10) } */\n")
    for mode, how in [("min", "rel"), ("min", "abs"), ("max", "rel"), ("max", "abs")]:
        opt = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        plateau = S.ReduceLROnPlateau(opt, mode=mode, factor=0.5, patience=4, threshold=0.05, threshold_mode=how, cooldown=3,
                                      min_lr=0.01, eps=0.0)
        values = []
        for i in range(120):
            plateau.step(number(900, i) / (1 + i / 10))
            values.append("%.16g" % opt.param_groups[0]["lr"])
        out.write("{ %d, %d, { %s } },\n" % (mode == "max", how == "abs", ", ".join(values)))

# As tests/train/fit_averages.c builds it: 22 pictures of 1 x 8 x 8 bytes in batches of 8.
net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3),
                          torch.nn.BatchNorm2d(5, momentum=0.3))
with torch.no_grad():
    for k, p in enumerate(net.parameters()):
        p.copy_(tensor(10 + k, p.shape))
images = torch.tensor([float(int((number(40, i) + 2) * 63)) for i in range(22 * 64)]).reshape(22, 1, 8, 8) / 255
swa_utils.update_bn([images[i:i + 8] for i in range(0, 22, 8)], net)
with open(os.path.join(here, "refresh.inc"), "w") as out:
    out.write("/* refresh.inc - made by make_optim_rules.py. running_mean and running_var of both batch norms */\n")
    out.write(", ".join(text(v) for n in (1, 4) for b in (net[n].running_mean, net[n].running_var) for v in b.tolist()) + "\n")
