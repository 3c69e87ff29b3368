#!/usr/bin/env python3
"""Writes augmented.inc: what torch makes of views of pictures. Needs torch.

Usage: make_augmented.py > augmented.inc
"""
import torch
import torch.nn.functional as F
from common import number, text

N, C, H, W, K = 11, 3, 6, 7, 5


def tensor(stream, *shape):
    n = torch.Size(shape).numel()
    return torch.tensor([number(stream, i) for i in range(n)], dtype=torch.float64).reshape(shape)


pixels = ((tensor(31, N, C, H, W) + 2) * 64).floor().clamp(0, 255)
mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.25, 0.2, 0.3]).view(3, 1, 1)


def net(x, height=H, width=W):
    x = F.relu(F.conv2d(x, tensor(32, 4, C, 3, 3) / 2, tensor(33, 4) / 2, padding=1)).flatten(1)
    return F.linear(x, tensor(34, K, 4 * height * width) / 4, tensor(35, K))


def normalised(x):
    return (x / 255 - mean) / std


def shifted(x, dy, dx, mode):
    """Moved down by dy and right by dx: cut from the padded picture, as airbench does it."""
    h, w, p = x.shape[2], x.shape[3], max(abs(dy), abs(dx))
    if p:
        x = F.pad(x, (p,) * 4, mode)[:, :, p - dy:p - dy + h, p - dx:p - dx + w]
    return x


def view(mirror, dy, dx, mode):
    x = shifted(normalised(pixels), dy, dx, mode)
    return net(x.flip(-1) if mirror else x)


def airbench(level):
    """infer_mirror() and infer_mirror_translate() of airbench94.py."""
    def infer_mirror(x):
        return 0.5 * net(x) + 0.5 * net(x.flip(-1))
    x = normalised(pixels)
    logits = infer_mirror(x)
    if level == 1:
        return logits
    padded = F.pad(x, (1,) * 4, "reflect")
    cuts = [padded[:, :, 0:H, 0:W], padded[:, :, 2:H + 2, 2:W + 2]]
    return 0.5 * logits + 0.5 * torch.stack([infer_mirror(c) for c in cuts]).mean(0)


LIST = [(0, 0, 0, 2.0), (1, 2, -3, 1.0), (0, -1, 2, 0.5), (1, -3, 0, 0.25)]


def several(mode, vote):
    weights = torch.tensor([v[3] for v in LIST], dtype=torch.float64)
    answers = torch.stack([view(*v[:3], mode) for v in LIST])
    if vote == 1:
        answers = answers.softmax(2)
    if vote == 2:
        answers = F.one_hot(answers.argmax(2), K).double()
    return (answers * (weights / weights.sum())[:, None, None]).sum(0)


def crops():
    """The middle 4 x 5, as it is (weight 3) and mirrored (weight 1): probabilities."""
    x = normalised(pixels[:, :, 1:5, 1:6])
    return 0.75 * net(x, 4, 5).softmax(1) + 0.25 * net(x.flip(-1), 4, 5).softmax(1)


def write(name, rows):
    print("static const float %s[%d][%d] = {" % (name, N, K))
    for row in rows:
        print("\t{ " + ", ".join(text(float(v)) + ("" if "." in text(float(v)) or "e" in text(float(v)) else ".0") + "f" for v in row) + " },")
    print("};")


print("/* augmented.inc - made by make_augmented.py. */")
print("enum { N = %d, C = %d, H = %d, W = %d, K = %d };" % (N, C, H, W, K))
write("plain", net(normalised(pixels)))
write("level_1", airbench(1))
write("level_2", airbench(2))
for mode, called in ("constant", "zero"), ("reflect", "reflect"), ("replicate", "edge"):
    write("several_" + called, several(mode, 0))
write("soft", several("reflect", 1))
write("hard", several("reflect", 2))
write("cropped", crops())
