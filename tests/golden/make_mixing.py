#!/usr/bin/env python3
"""What torchvision's MixUp and CutMix make of a small batch for a given lambda and centre: mixing.inc. Needs torch and
torchvision."""
import os
import torch
from torchvision.transforms import v2

here = os.path.dirname(os.path.abspath(__file__))
out = open(os.path.join(here, "mixing.inc"), "w")
out.write("/* Made by make_mixing.py. Pictures in (sample, height, width, channel) order. */\n")
N, C, H, W, CLASSES = 4, 2, 5, 7, 3


def put(name, values):
    out.write("static const float %s[] = {\n" % name)
    flat = values.reshape(-1).tolist()
    for i in range(0, len(flat), 8):
        out.write("\t" + ", ".join("%.9gf" % v if v != int(v) else "%d" % v for v in flat[i:i + 8]) + ",\n")
    out.write("};\n")


class fixed:
    def __init__(self, value):
        self.value = value

    def sample(self, shape):
        return torch.tensor([self.value], dtype=torch.float64)


torch.manual_seed(1)
images = torch.randn(N, C, H, W)
labels = torch.tensor([2, 0, 0, 1])
put("mixing_images", images.permute(0, 2, 3, 1))
cases = []
for i, lam in enumerate((0.3, 0.9171875, 0.0, 1.0)):
    mix = v2.MixUp(num_classes=CLASSES)
    mix._dist = fixed(lam)
    x, t = mix(images, labels)
    put("mixing_images_%d" % i, x.permute(0, 2, 3, 1))
    put("mixing_targets_%d" % i, t)
    cases.append("{ 0, %r, 0, 0, mixing_images_%d, mixing_targets_%d }" % (lam, i, i))
for i, (lam, y, x) in enumerate(((0.5, 2, 3), (0.25, 0, 6), (0.1, 4, 0), (0.0, 2, 3), (1.0, 1, 1), (0.97, 2, 2)), len(cases)):
    mix = v2.CutMix(num_classes=CLASSES)
    mix._dist = fixed(lam)
    drawn = [x, y]
    randint, torch.randint = torch.randint, lambda high, size: torch.tensor([drawn.pop(0)])
    pictures, t = mix(images, labels)
    torch.randint = randint
    put("mixing_images_%d" % i, pictures.permute(0, 2, 3, 1))
    put("mixing_targets_%d" % i, t)
    cases.append("{ 1, %r, %d, %d, mixing_images_%d, mixing_targets_%d }" % (lam, y, x, i, i))
out.write("static const mixing_case mixing_cases[] = { /* CutMix or not, lambda, row and column of the centre */\n\t%s,\n};\n" % ",\n\t".join(cases))
