#!/usr/bin/env python3
"""Small pictures and what Pillow and torchvision make of them: data.inc and pictures/. Needs numpy, torch,
torchvision, and a Pillow before 13: later ones resize across rows first for some sizes, which rounds otherwise."""
import os
import struct
import zlib
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
    "bits.png": (grey.convert("1"), {}), "rgb.bmp": (rgb, {}), "grey.bmp": (grey, {}),
    "rgb.jpg": (rgb, {"quality": 90}), "grey.jpg": (grey, {"quality": 80}), "progressive.jpg": (rgb, {"quality": 75, "progressive": True}),
    "subsampled.jpg": (Image.fromarray(base(17, 23, 3)), {"quality": 60, "subsampling": 2}),
    "half.jpg": (Image.fromarray(base(17, 23, 3)), {"quality": 75, "subsampling": 1, "progressive": True}),
    "restart.jpg": (Image.fromarray(base(17, 23, 3)), {"quality": 85, "restart_marker_rows": 1}),
    "grey_alpha.png": (Image.merge("LA", [grey, grey.rotate(180)]), {}),
    "palette_alpha.png": (rgb.quantize(9), {"transparency": bytes([0, 50, 255, 128])}),
    "palette4.png": (rgb.quantize(16), {"bits": 4}), "palette2.png": (rgb.quantize(4), {"bits": 2}),
    "rgb_key.png": (rgb, {"transparency": tuple(int(v) for v in base(9, 13, 3)[0, 0])}),
    "palette.bmp": (rgb.quantize(9), {}), "bits.bmp": (grey.convert("1"), {}),
}
for name, spec in files.items():
    spec[0].save(os.path.join(pictures, name), **spec[1])


def write(name, data):
    with open(os.path.join(pictures, name), "wb") as f:
        f.write(data)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(w, h, depth, colour, rows, interlace=0, before=b""):
    """What Pillow does not write: `rows` with a filter byte each."""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace)) + before +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def bmp(w, h, bits, data, palette=b"", compression=0):
    head = struct.pack("<IiiHHIIiiII", 40, w, h, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0) + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


a = base(9, 13, 3)
passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
write("interlaced.png", png(13, 9, 8, 2, b"".join(b"\0" + r.tobytes() for x, y, dx, dy in passes for r in a[y::dy, x::dx]), 1))
write("gamma.png", png(13, 9, 8, 2, b"".join(b"\0" + r.tobytes() for r in a), 0, chunk(b"gAMA", struct.pack(">I", 100000))))
write("rgb16.png", png(13, 9, 16, 2, b"".join(b"\0" + (r.astype(">u2") * 256 + 77).tobytes() for r in a)))
write("grey4.png", png(13, 9, 4, 0, b"".join(b"\0" + bytes(int(r[i]) // 16 << 4 | (int(r[i + 1]) // 16 if i < 12 else 0) for i in range(0, 13, 2)) for r in a[:, :, 0])))
padded = b"".join(r[:, ::-1].tobytes() + b"\0" for r in a)
write("down.bmp", bmp(13, -9, 24, padded))
write("four.bmp", bmp(8, 6, 4, bytes((i * 37 + 11) % 256 for i in range(24)), bytes((i * 53) % 256 for i in range(64))))
Image.fromarray(a).convert("CMYK").save(os.path.join(pictures, "cmyk.jpg"))
write("packed.bmp", bmp(4, 1, 8, bytes([4, 1, 0, 0, 0, 1]), bytes(1024), 1))
for name in list(files) + ["interlaced.png", "gamma.png", "rgb16.png", "grey4.png", "down.bmp", "four.bmp"]:
    opened = Image.open(os.path.join(pictures, name))
    stem = name.replace(".", "_")
    put(stem + "_3", opened.convert("RGB"))
    put(stem + "_1", opened.convert("L"))
for name in ("grey_alpha.png", "palette_alpha.png", "rgb_key.png"):
    put(name.replace(".", "_") + "_4", Image.open(os.path.join(pictures, name)).convert("RGBA"))
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
put("zeroed", F.pad(source, [3, 3, 3, 3]))
put("edged", F.pad(source, [3, 3, 3, 3], padding_mode="edge"))
both = np.concatenate([np.asarray(source).reshape(-1, 3)]) / 255.0
out.write("static const double mean[3] = { %s };\n" % ", ".join(repr(v) for v in both.mean(0).tolist()))
out.write("static const double deviation[3] = { %s };\n" % ", ".join(repr(v) for v in both.std(0).tolist()))


def fnv(a):
    h = 0xcbf29ce484222325
    for byte in np.ascontiguousarray(a).tobytes():
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


# Many more cases by their hashes: the bytes of `source` as pictures of 3 channels, of 1 (16x63) and of 4 (12x21; no alpha).
flat = np.asarray(source).reshape(-1)
shapes = {1: flat.reshape(16, 63), 3: flat.reshape(16, 21, 3), 4: flat.reshape(12, 21, 4)}
out.write("/* channels, height, width, FNV-1a of the resized pixels */\n")
out.write("static const struct { int c, h, w; uint64_t hash; } resized_hashes[] = {\n")
for c, array in shapes.items():
    picture = Image.frombytes("RGBX", (21, 12), array.tobytes()) if c == 4 else Image.fromarray(array)
    for i in range(40):
        h, w = 1 + i * 7919 % 53, 1 + i * 104729 % 71
        if i % 5 == 1:
            h = array.shape[0]
        if i % 5 == 3:
            w = array.shape[1]
        out.write("\t{ %d, %d, %d, 0x%xu },\n" % (c, h, w, fnv(np.asarray(picture.resize((w, h), Image.BILINEAR)))))
out.write("};\n/* Degrees, height, width of the first bytes of `source`, FNV-1a of it rotated by nearest and by bilinear. */\n")
out.write("static const struct { double degrees; int h, w; uint64_t nearest, bilinear; } rotated_hashes[] = {\n")
angles = [45.0 * i for i in range(-8, 9)] + [1e-9 * i for i in (-7, -3, 2, 5)] + [(i * 0.6180339887498949 % 1.0 - 0.5) * 2 * (15 if i % 2 else 360) for i in range(60)]
for i, angle in enumerate(angles):
    h, w = ((15, 21), (9, 35), (16, 21))[i % 3]
    picture = Image.fromarray(flat[:h * w * 3].reshape(h, w, 3))
    out.write("\t{ %r, %d, %d, 0x%xu, 0x%xu },\n" % (angle, h, w, fnv(F.rotate(picture, angle)), fnv(F.rotate(picture, angle, InterpolationMode.BILINEAR))))
out.write("};\n/* To f32 and normalised, each byte value in each channel: FNV-1a of the floats' bytes. */\n")
values = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2))
normalised = F.normalize(F.to_tensor(values), [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]).permute(1, 2, 0).contiguous().numpy()
out.write("static const uint64_t normalised_hash = 0x%xu, to_float_hash = 0x%xu;\n" % (fnv(normalised.astype("<f4")), fnv(F.to_tensor(values).permute(1, 2, 0).contiguous().numpy().astype("<f4"))))
