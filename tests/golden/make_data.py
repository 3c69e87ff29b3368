#!/usr/bin/env python3
"""Small pictures and what Pillow and torchvision make of them: data.inc and pictures/. Needs numpy, torch,
torchvision, and a Pillow before 13: later ones resize across rows first for some sizes, which rounds otherwise."""
import io
import os
import numpy as np
from PIL import Image
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

here = os.path.dirname(os.path.abspath(__file__))
pictures = os.path.join(here, "pictures")
os.makedirs(pictures, exist_ok=True)
out = open(os.path.join(here, "data.inc"), "w")
out.write("/* Made by make_data.py. Pixels in (height, width, channel) order. */\n")


def base(h, w, c):
    y, x, k = np.mgrid[0:h, 0:w, 0:c]
    a = (x * 255 // max(w - 1, 1) + 3 * y * y + 60 * k + ((x // 3 + y // 2) % 2) * 70) % 256
    return a.astype(np.uint8)


def put(name, a):
    a = np.asarray(a)
    a = a.reshape(a.shape[0], a.shape[1], -1)
    out.write("static const uint8_t %s[] = { /* %dx%dx%d */\n" % (name, *a.shape))
    flat = a.reshape(-1)
    for i in range(0, len(flat), 32):
        out.write("\t" + ", ".join(str(v) for v in flat[i:i + 32]) + ",\n")
    out.write("};\n")


rgb, grey = Image.fromarray(base(9, 13, 3)), Image.fromarray(base(9, 13, 1)[:, :, 0])
rgba = Image.fromarray(base(9, 13, 4))
files = {
    "rgb.png": (rgb, {}), "grey.png": (grey, {}), "rgba.png": (rgba, {}), "palette.png": (rgb.quantize(7), {}),
    "interlaced.png": None, "bits.png": (grey.convert("1"), {}), "rgb.bmp": (rgb, {}), "grey.bmp": (grey, {}),
    "rgb.jpg": (rgb, {"quality": 90}), "grey.jpg": (grey, {"quality": 80}), "progressive.jpg": (rgb, {"quality": 75, "progressive": True}),
    "subsampled.jpg": (Image.fromarray(base(17, 23, 3)), {"quality": 60, "subsampling": 2}),
}
for name, spec in files.items():
    if spec is None:
        continue
    spec[0].save(os.path.join(pictures, name), **spec[1])
    opened = Image.open(os.path.join(pictures, name))
    stem = name.replace(".", "_")
    put(stem + "_3", opened.convert("RGB"))
    put(stem + "_1", opened.convert("L"))
Image.fromarray(base(9, 13, 1)[:, :, 0].astype(np.uint16) * 256 + 77).save(os.path.join(pictures, "grey16.png"))
put("grey16_png_1", base(9, 13, 1))
put("rgba_png_4", rgba)

source = Image.fromarray(base(16, 21, 3))
put("source", source)
for h, w in ((8, 8), (5, 40), (16, 10), (33, 21), (1, 1), (37, 50)):
    put("resized_%d_%d" % (h, w), F.resize(source, [h, w], InterpolationMode.BILINEAR))
for i, angle in enumerate((10.0, -7.25, 45.0, 133.0)):
    put("nearest_%d" % i, F.rotate(source, angle))
    put("bilinear_%d" % i, F.rotate(source, angle, InterpolationMode.BILINEAR))
put("centre", F.center_crop(source, [7, 10]))
put("h_flip", F.hflip(source))
put("v_flip", F.vflip(source))
put("reflected", F.pad(source, [3, 3, 3, 3], padding_mode="reflect"))
put("edged", F.pad(source, [3, 3, 3, 3], padding_mode="edge"))
both = np.concatenate([np.asarray(source).reshape(-1, 3)]) / 255.0
out.write("static const double mean[3] = { %s };\n" % ", ".join(repr(v) for v in both.mean(0).tolist()))
out.write("static const double deviation[3] = { %s };\n" % ", ".join(repr(v) for v in both.std(0).tolist()))
