#!/usr/bin/env python3
"""What torchvision and Pillow make of four small pictures, transform by transform: transforms.inc. Needs numpy, torch,
torchvision, and a Pillow before 13 (later ones resize in another order for some sizes). Most results are given by the FNV-1a
hash of their bytes, for they are to be the same to the bit."""
import itertools
import os
import numpy as np
import torch
from PIL import Image, ImageFilter
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode, RandAugment, TrivialAugmentWide
from torchvision.transforms.autoaugment import _apply_op

out = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "transforms.inc"), "w")
out.write("/* Made by make_transforms.py. Pixels in (height, width, channel) order. */\n")
modes = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR)


def fnv(a):
    h = 0xcbf29ce484222325
    for byte in np.ascontiguousarray(a).tobytes():
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def scene(h, w, c, seed):
    """A sky with a sun, a hill with an edge, and the noise of a sensor."""
    y, x, k = np.mgrid[0:h, 0:w, 0:c].astype(np.float64)
    a = 90 + 100 * y / h - 40 * k * (1 - x / w) + 25 * np.sin(x / 2.0 + k)
    a = np.where((y - h * .3) ** 2 + (x - w * .65) ** 2 < (h * .18) ** 2, 250 - 60 * k, a)
    a = np.where(y > h * .7 - 3 * np.cos(x / 4.0), 40 + 50 * (k == 1) + 5 * (x % 3), a)
    a += np.random.RandomState(seed).normal(0, 6, a.shape)
    return np.clip(np.rint(a), 0, 255).astype(np.uint8)


def lines(values, form):
    values = list(values)
    for i in range(0, len(values), 12):
        out.write("\t" + ", ".join(form(v) for v in values[i:i + 12]) + ",\n")


def hashes(name, values):
    out.write("static const uint64_t %s[] = {\n" % name)
    lines(sorted(set(values)), lambda v: "0x%xu" % v)
    out.write("};\n")


arrays = [scene(17, 23, 3, 1), scene(32, 32, 3, 2), scene(17, 23, 1, 3), np.full((9, 8, 3), 77, np.uint8)]
pictures = [Image.fromarray(a if a.shape[2] == 3 else a[:, :, 0]) for a in arrays]
for i, a in enumerate(arrays):
    out.write("static const uint8_t picture_%d[] = { /* %dx%dx%d */\n" % (i, *a.shape))
    lines(a.reshape(-1), str)
    out.write("};\n")

# --- geometry ---
out.write("static const struct { int picture; double degrees; int move_x, move_y; double scale, shear_x, shear_y; int bilinear, fill;"
          " uint64_t hash; } affine_cases[] = {\n")
settings = [(0, 0, 0, 1, 0, 0), (0, 3, -2, 1, 0, 0), (0, -40, 0, 1, 0, 0), (0, 0, 0, 1.3, 0, 0), (0, 1, 2, 0.7, 0, 0), (30, 0, 0, 1, 0, 0),
            (-75.5, 2, 1, 0.9, 0, 0), (0, 0, 0, 1, 20, 0), (0, 0, 0, 1, 0, -15), (200, -3, 4, 1.25, -12, 33), (90, 0, 0, 1, 0, 0),
            (12.345, 0, 0, 3.5, 5, 5), (45, 0, 0, 0.05, 60, 0), (5, 1, 0, 1.01, 1, -1)]
for which, s, bilinear, fill in itertools.product((0, 1, 2), settings, (0, 1), (0, 1)):
    if fill and s[1] % 3 != 0:
        continue
    colour = [200, 30, 90][:arrays[which].shape[2]] if fill else None
    angle, tx, ty, scale, shear_x, shear_y = s
    result = F.affine(pictures[which], float(angle), [tx, ty], float(scale), [float(shear_x), float(shear_y)], modes[bilinear], colour)
    out.write("\t{ %d, %r, %d, %d, %r, %r, %r, %d, %d, 0x%xu },\n" % (which, float(angle), tx, ty, float(scale), float(shear_x), float(shear_y),
                                                             bilinear, fill, fnv(result)))
out.write("};\n")

# Every window of the size that scale and ratio fix, resized; then what is taken when none fits.
h, w = 17, 23
window = int(round((h * w * 0.5) ** 0.5))
hashes("resized_windows", (fnv(F.resized_crop(pictures[0], i, j, window, window, [12, 10])) for i in range(h - window + 1)
                           for j in range(w - window + 1)))
out.write("static const int resized_window_count = %d;\n" % ((h - window + 1) * (w - window + 1)))
flat_h, thin_w = int(round(w / 10.0)), int(round(h * 0.1))
out.write("static const uint64_t flat_window = 0x%xu, thin_window = 0x%xu;\n" % (
    fnv(F.resized_crop(pictures[0], (h - flat_h) // 2, 0, flat_h, w, [12, 10])),
    fnv(F.resized_crop(pictures[0], 0, (w - thin_w) // 2, h, thin_w, [12, 10]))))

# --- tones and filters: name of the transform, its number ---
out.write("static const struct { const char *transform; int picture; double by; uint64_t hash; } tone_cases[] = {\n")


def grey(p):
    return F.to_grayscale(p, len(p.getbands()))


factors = (0.0, 0.3, 0.75, 1.0, 1.4, 2.5)
tones = [("brightness", F.adjust_brightness, factors), ("contrast", F.adjust_contrast, factors), ("saturation", F.adjust_saturation, factors),
         ("hue", F.adjust_hue, (-0.5, -0.21, -0.003, 0.05, 0.1, 0.333, 0.5)), ("greyscale", lambda p, _: grey(p), (0.0,)),
         ("invert", lambda p, _: F.invert(p), (0.0,)), ("posterize", lambda p, b: F.posterize(p, int(b)), range(1, 9)),
         ("solarize", F.solarize, (0.0, 64.0, 128.0, 199.5, 256.0)), ("autocontrast", lambda p, _: F.autocontrast(p), (0.0,)),
         ("equalize", lambda p, _: F.equalize(p), (0.0,)), ("sharpness", F.adjust_sharpness, factors),
         ("median", lambda p, n: p.filter(ImageFilter.MedianFilter(int(n))), (3, 5))]
for name, apply, numbers in tones:
    for which, by in itertools.product(range(4), numbers):
        out.write("\t{ \"%s\", %d, %r, 0x%xu },\n" % (name, which, float(by), fnv(apply(pictures[which], by))))
out.write("};\n")

# All orders of one jitter.
steps = [lambda p: F.adjust_brightness(p, 1.3), lambda p: F.adjust_contrast(p, 0.6), lambda p: F.adjust_saturation(p, 1.7),
         lambda p: F.adjust_hue(p, 0.15)]
results = []
for order in itertools.permutations(steps):
    picture = pictures[1]
    for step in order:
        picture = step(picture)
    results.append(fnv(picture))
hashes("jittered", results)

# Blur is compared value by value.
out.write("static const struct { int picture, kernel; double sigma; uint8_t pixels[3072]; } blur_cases[] = {\n")
for which, kernel, sigma in ((0, 3, 0.5), (1, 5, 1.1), (2, 9, 2.0), (1, 23, 4.0), (0, 3, 0.1), (3, 5, 1.0)):
    out.write("\t{ %d, %d, %r, {\n" % (which, kernel, sigma))
    lines(np.asarray(F.gaussian_blur(pictures[which], [kernel, kernel], [sigma, sigma])).reshape(-1), str)
    out.write("\t} },\n")
out.write("};\n")

# --- erasing: every place of one rectangle ---
erased = []
for i, j in itertools.product(range(h - 8 + 1), range(w - 12 + 1)):
    a = arrays[0].copy()
    a[i:i + 8, j:j + 12] = (9, 99, 199)
    erased.append(fnv(a))
hashes("erased", erased)

# --- the augmentations' operations, in torchvision's own table ---
out.write("/* Operation, from the wide table, bins, bin, sign, picture, bilinear. */\n")
out.write("static const struct { int operation, wide, bins, bin, negative, picture, bilinear; uint64_t hash; } operation_cases[] = {\n")
for wide, bins, which in itertools.product((0, 1), (31, 10), range(4)):
    a = arrays[which]
    space = TrivialAugmentWide()._augmentation_space(bins) if wide else RandAugment()._augmentation_space(bins, a.shape[:2])
    for index, (name, (magnitudes, signed)) in enumerate(space.items()):
        if name == "Identity":
            continue
        for bin, negative in itertools.product((0, bins // 3, bins - 2, bins - 1), (0, 1) if signed else (0,)):
            magnitude = float(magnitudes[bin].item()) if magnitudes.ndim > 0 else 0.0
            bilinear = (bin + negative + index) % 3 == 0
            result = _apply_op(pictures[which], name, -magnitude if negative else magnitude, modes[bilinear], None)
            out.write("\t{ %d, %d, %d, %d, %d, %d, %d, 0x%xu },\n" % (index, wide, bins, bin, negative, which, bilinear, fnv(result)))
out.write("};\n")


def choices(space, picture, bins):
    for name, (magnitudes, signed) in space.items():
        for bin, sign in itertools.product(bins if magnitudes.ndim > 0 else (0,), (1, -1) if signed else (1,)):
            magnitude = float(magnitudes[bin].item()) if magnitudes.ndim > 0 else 0.0
            yield _apply_op(picture, name, sign * magnitude, modes[0], None)


rand, small = RandAugment()._augmentation_space(31, (17, 23)), pictures[2]
hashes("once_augmented", (fnv(p) for p in choices(rand, small, (9,))))
hashes("twice_augmented", (fnv(q) for p in choices(rand, small, (9,)) for q in choices(rand, p, (9,))))
hashes("trivially_augmented", (fnv(p) for p in choices(TrivialAugmentWide()._augmentation_space(3), small, range(3))))

# --- normalisation of each picture by itself ---
out.write("static const struct { int picture, per_channel; double epsilon; float values[3072]; } own_normalisations[] = {\n")
for which, per_channel, epsilon in ((0, 0, 1e-3), (0, 1, 1e-3), (1, 1, 1e-6), (2, 0, 1e-3), (2, 1, 0.5), (3, 0, 0.02), (3, 1, 0.02)):
    x = torch.from_numpy(arrays[which]).double() / 255
    dims = (0, 1) if per_channel else (0, 1, 2)
    y = (x - x.mean(dims, keepdim=True)) / x.std(dims, correction=0, keepdim=True).clamp(min=epsilon)
    out.write("\t{ %d, %d, %r, {\n" % (which, per_channel, epsilon))
    lines(y.float().reshape(-1).tolist(), lambda v: "%.9gf" % v if "e" in "%.9g" % v or "." in "%.9g" % v else "%.9g.0f" % v)
    out.write("\t} },\n")
out.write("};\n")
