#!/usr/bin/env python3
"""Event files against TensorBoard itself: events_tensorboard.py LIBRARY DIR [serve]. Exits with 77 where it, NumPy, Pillow or
PyTorch is missing. With `serve` TensorBoard is also started on them, with each of its loaders, and asked over HTTP."""
import ctypes
import glob
import io
import json
import logging
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request

try:
    import numpy as np
    import torch
    import torchvision
    from PIL import Image
    from tensorboard.backend.event_processing import plugin_event_accumulator
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util
    from torch.utils.tensorboard.summary import compute_curve, make_histogram
except ImportError:
    sys.exit(77)

lib = ctypes.CDLL(sys.argv[1])
lib.nnopt_last_error.restype = ctypes.c_char_p
P, D, I64, I32 = ctypes.c_void_p, ctypes.c_double, ctypes.c_int64, ctypes.c_int32
F32, U8, I64_TYPE = 0, 3, 5
NETWORK = b"""{"format": "nnopt-model", "version": 1, "input": [3, 8, 8], "layers": [
  {"kind": "conv2d", "name": "body.conv", "inputs": ["input"], "out_channels": 3, "kernel_h": 3, "kernel_w": 3, "padding_h": 1, "padding_w": 1},
  {"kind": "leaky_relu", "name": "body.act", "slope": 0.25},
  {"kind": "add", "name": "body.sum", "inputs": ["body.act", "input"]},
  {"kind": "flatten", "name": "flatten1"},
  {"kind": "linear", "name": "head", "out_features": 4}]}"""


def ok(status):
    assert status == 0, lib.nnopt_last_error().decode()


context, model = P(), P()
ok(lib.nnopt_context_create(ctypes.byref(context), None))
ok(lib.nnopt_model_from_json(ctypes.byref(model), context, NETWORK, ctypes.c_size_t(len(NETWORK))))


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", I64), ("seconds", D), ("every", I64), ("histograms", I32), ("stop", I32)]


class Progress(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("epoch", I64), ("epochs", I64), ("batch", I64), ("batches", I64), ("step", I64),
                ("loss", D), ("accuracy", D), ("batch_loss", D), ("lr", D), ("gradient_norm", D), ("seconds", D),
                ("batch_seconds", D), ("rate", D), ("left", D), ("validation_loss", D), ("validation_accuracy", D),
                ("validated", I32), ("improved", I32), ("model", P), ("updated", I32), ("reserved", I32)]


def tensor(array, dtype):
    t, shape = P(), (I64 * array.ndim)(*array.shape)
    ok(lib.nnopt_tensor_create(ctypes.byref(t), context, dtype, array.ndim, shape, 0))
    data = np.ascontiguousarray(array)
    ok(lib.nnopt_tensor_copy_in(t, data.ctypes.data_as(P), ctypes.c_size_t(data.nbytes), dtype, 0))
    return t


class Writer:
    def __init__(self, name, **options):
        self.events, o = P(), Options()
        ok(lib.nnopt_events_options_init(ctypes.byref(o), ctypes.c_size_t(ctypes.sizeof(o))))
        for key, value in options.items():
            setattr(o, key, value)
        ok(lib.nnopt_events_create(ctypes.byref(self.events), context, os.path.join(ROOT, name).encode(), ctypes.byref(o)))

    def __getattr__(self, name):
        return lambda *args: ok(getattr(lib, "nnopt_events_" + name)(self.events, *args))

    def step(self, step, updated=1, **values):
        p = Progress(size=ctypes.sizeof(Progress), step=step, updated=updated, model=model, **values)
        ok(lib.nnopt_events_on_batch(ctypes.byref(p), self.events))

    def epoch(self, step, **values):
        p = Progress(size=ctypes.sizeof(Progress), step=step, model=model, **values)
        ok(lib.nnopt_events_on_epoch(ctypes.byref(p), self.events))

    def close(self):
        lib.nnopt_events_destroy(self.events)


def read(name):
    a = EventAccumulator(os.path.join(ROOT, name), size_guidance={k: 0 for k in (
        "compressedHistograms", "images", "audio", "scalars", "histograms", "tensors")})
    return a.Reload()


def default_bins():
    v, edges = 1e-12, []
    while v < 1e20:
        edges.append(v)
        v *= 1.1
    return [-e for e in edges[::-1]] + [0] + edges


def check_histogram(event, values, step):
    wanted, got = make_histogram(values.astype(float), default_bins()), event.histogram_value
    assert event.step == step and list(got.bucket) == list(wanted.bucket)
    assert list(got.bucket_limit) == list(wanted.bucket_limit)
    assert (got.min, got.max, got.num) == (wanted.min, wanted.max, wanted.num)
    assert np.allclose((got.sum, got.sum_squares), (wanted.sum, wanted.sum_squares), rtol=1e-12, atol=0)


def check_picture(event, pixels):
    assert (event.height, event.width) == pixels.shape[:2]
    assert (np.asarray(Image.open(io.BytesIO(event.encoded_image_string))) == pixels).all()


def check_graph(graph):
    nodes = {n.name: n for n in graph.node}
    assert [(n.name, n.op, list(n.input)) for n in graph.node] == [
        ("input", "Placeholder", []), ("body/conv", "conv2d", ["input"]), ("body/act", "leaky_relu", ["body/conv"]),
        ("body/sum", "add", ["body/act", "input"]), ("flatten1", "flatten", ["body/sum"]), ("head", "linear", ["flatten1"])]
    shapes = {n.name: [d.size for d in n.attr["_output_shapes"].list.shape[0].dim] for n in graph.node}
    assert shapes == {"input": [-1, 3, 8, 8], "body/conv": [-1, 3, 8, 8], "body/act": [-1, 3, 8, 8], "body/sum": [-1, 3, 8, 8],
                      "flatten1": [-1, 192], "head": [-1, 4]}
    conv = nodes["body/conv"].attr
    assert conv["parameters"].i == 84 and conv["kernel_h"].i == 3 and conv["use_bias"].b and not conv["same_padding"].b
    assert conv["same_padding"].WhichOneof("value") == "b" and nodes["body/act"].attr["slope"].f == 0.25


def check_hparams(a):
    data = {t: plugin_data_pb2.HParamsPluginData.FromString(a.summary_metadata["_hparams_/" + t].plugin_data.content)
            for t in ("experiment", "session_start_info", "session_end_info")}
    e, s = data["experiment"].experiment, data["session_start_info"].session_start_info
    assert [(i.name, i.type) for i in e.hparam_infos] == [("lr", 3), ("optimizer", 1), ("flip", 2)]
    assert [m.name.tag for m in e.metric_infos] == ["quality"]
    assert s.group_name == "seeds" and 0 <= time.time() - s.start_time_secs < 60
    assert s.hparams["lr"].number_value == 0.1 and s.hparams["optimizer"].string_value == "adam" and s.hparams["flip"].bool_value
    assert data["session_end_info"].session_end_info.status == 1


def check_values():
    """Each kind of value as TensorBoard reads it, against what NumPy and PyTorch make of the same data."""
    rng = np.random.default_rng(1)
    points = [0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), 1e-45, 3.4e38, 0.1]
    spreads = {"normal": rng.normal(size=5000), "wide": 10.0 ** rng.uniform(-20, 19, 3000) * rng.choice([-1, 1], 3000),
               "zero": np.zeros(7), "one": np.array([-3.25]), "positive": rng.uniform(0.5, 0.6, 100), "bytes": np.arange(200)}
    spreads = {k: v.astype(np.uint8 if k == "bytes" else np.float32) for k, v in spreads.items()}
    damaged = np.array([1, np.nan, 2, np.inf], np.float32)
    pictures = rng.integers(0, 256, (5, 3, 6, 7), dtype=np.uint8)
    note = "# Gr\u00fc\u00dfe\n\n* \u03bb"
    scores, labels = rng.uniform(size=(500, 3)).astype(np.float32), rng.integers(0, 3, 500)
    scores[7], scores[5, 2], scores[6, 2] = np.nan, 0.0, 1.0
    w = Writer("values")
    for i, v in enumerate(points):
        w.set_time(D(1e9 + i / 8))
        w.scalar(b"a/curve", D(v), I64(i * 2**40))
    w.set_time(D(float("nan")))
    for i, (name, values) in enumerate(spreads.items()):
        w.histogram(name.encode(), tensor(values, U8 if name == "bytes" else F32), I64(i))
    w.histogram(b"damaged", tensor(damaged, F32), I64(1))
    w.histogram(b"nothing", tensor(damaged[1:2], F32), I64(1))
    w.image(b"sheet", tensor(pictures, U8), I64(3), I64(4))
    w.image(b"grey", tensor(pictures[0, :1], U8), I64(0), I64(4))
    w.image(b"float", tensor(pictures[1].astype(np.float32) / 255, F32), I64(0), I64(4))
    w.text(b"note", note.encode(), I64(3))
    w.pr_curve(b"class2", tensor(scores, F32), tensor(labels, I64_TYPE), I64(2), I64(9))
    w.graph(model)
    w.add_number(b"lr", D(0.1))
    w.add_text(b"optimizer", b"adam")
    w.add_flag(b"flip", I32(1))
    w.add_metric(b"quality")
    w.scalar(b"quality", D(0.75), I64(5))
    w.begin_session(b"seeds")
    w.end_session(I32(1))
    w.close()

    a = read("values")
    got = a.Scalars("a/curve")
    assert len(got) == len(points)
    for i, (e, v) in enumerate(zip(got, points)):
        assert np.float32(e.value).tobytes() == np.float32(v).tobytes() and e.step == i * 2**40 and e.wall_time == 1e9 + i / 8
    for i, (name, values) in enumerate(spreads.items()):
        (e,) = a.Histograms(name)
        check_histogram(e, values, i)
    (e,) = a.Histograms("damaged")
    check_histogram(e, damaged[[0, 2]], 1)
    assert a.Histograms("nothing")[0].histogram_value.num == 0
    sheet = torchvision.utils.make_grid(torch.from_numpy(pictures), nrow=3).numpy().transpose(1, 2, 0)
    check_picture(a.Images("sheet")[0], sheet)
    check_picture(a.Images("grey")[0], pictures[0, 0])
    check_picture(a.Images("float")[0], pictures[1].transpose(1, 2, 0))
    (e,) = a.Tensors("note/text_summary")
    assert e.tensor_proto.string_val[0].decode() == note and e.step == 3 and 0 <= time.time() - e.wall_time < 60
    (e,) = a.Tensors("class2")
    keep = ~np.isnan(scores[:, 2])
    wanted = compute_curve((labels == 2)[keep], scores[keep, 2], num_thresholds=127).astype(np.float32)
    assert (np.array(e.tensor_proto.float_val, np.float32).reshape(6, 127) == wanted).all()
    check_graph(a.Graph())
    check_hparams(a)


def tf_records(data):
    at, records = 0, []
    while at < len(data):
        (n,) = struct.unpack_from("<Q", data, at)
        records.append(data[at + 12:at + 12 + n])
        at += n + 16
    return records


def check_cut_off():
    """A file that ends anywhere in its last record gives all records before it, and so does the next file of the directory."""
    w = Writer("cut")
    for i in range(20):
        w.scalar(b"curve", D(i), I64(i))
    w.close()
    (path,) = glob.glob(os.path.join(ROOT, "cut", "*"))
    data = open(path, "rb").read()
    w = Writer("cut", seconds=0)
    assert lib.nnopt_events_resumed(w.events) == 1
    w.scalar(b"curve", D(20), I64(20))
    w.close()
    size = len(tf_records(data)[-1]) + 16
    for missing in range(1, size + 1):
        open(path, "wb").write(data[:-missing])
        assert [e.step for e in read("cut").Scalars("curve")] == list(range(19)) + [20], missing
    shutil.rmtree(os.path.join(ROOT, "cut"))


def run(w, first, last, value, accumulate=1):
    """The callbacks' calls of updates first to last, 20 an epoch."""
    for step in range(first, last + 1):
        for part in range(1, accumulate):
            w.step(step - 1, updated=0, batch_loss=-1.0)
        w.step(step, batch_loss=value + step, lr=0.1)
        if step % 20 == 0:
            w.epoch(step, loss=value + step, accuracy=0.5, validated=1, validation_loss=1.0, validation_accuracy=value)


def check_resume():
    """Runs that are killed after their last checkpoint and resumed from it: one curve, each step once, the later values."""
    cases = {"once": (41, 1), "accumulated": (41, 4), "at_epoch": (40, 1), "from_scratch": (1, 1)}
    for name, (first, accumulate) in cases.items():
        w = Writer(name, every=1, histograms=2 if name == "once" else 0)
        if name != "from_scratch":
            w.text(b"note", b"begun", I64(0))
        run(w, 1, 57 if name != "at_epoch" else 40, 100.0, accumulate)
        w.flush() if name != "accumulated" else w.close()
        w = Writer(name, every=1)
        if name == "at_epoch":
            w.epoch(40, loss=240.0, validated=1, validation_accuracy=200.0)
            first = 41
        run(w, first, 60, 200.0, accumulate)
        w.close()
        a = read(name)
        got = {e.step: e.value for e in a.Scalars("step/loss")}
        lost = {40} if name == "at_epoch" else set()
        assert [e.step for e in a.Scalars("step/loss")] == [s for s in range(1, 61) if s not in lost], name
        assert all(v == (200.0 if s >= first else 100.0) + s for s, v in got.items()), name
        for tag in ("train/loss", "validation/accuracy"):
            assert [e.step for e in a.Scalars(tag)] == [20, 40, 60], (name, tag)
        assert [e.value for e in a.Scalars("validation/accuracy")] == [
            100.0 if s < first and not (name == "at_epoch" and s == 40) else 200.0 for s in (20, 40, 60)], name
        assert name == "from_scratch" or [e.step for e in a.Tensors("note/text_summary")] == [0]
        if name == "once":
            assert "parameters/body.conv.weight" in a.Tags()["histograms"]


def check_purge():
    """What a purge voids is void for both of TensorBoard's readers, though the run had no such mark before."""
    w = Writer("purged")
    for i in range(10):
        w.scalar(b"curve", D(i), I64(i))
    w.close()
    w = Writer("purged")
    w.purge(I64(7))
    for i in range(7, 12):
        w.scalar(b"curve", D(100 + i), I64(i))
    w.close()
    wanted = list(range(7)) + [100 + i for i in range(7, 12)]
    assert [e.value for e in read("purged").Scalars("curve")] == wanted
    a = plugin_event_accumulator.EventAccumulator(os.path.join(ROOT, "purged")).Reload()
    assert [tensor_util.make_ndarray(e.tensor_proto).item() for e in a.Tensors("curve")] == wanted


# --- TensorBoard itself ---

def ask(port, path, **query):
    url = "http://localhost:%d/data/%s?%s" % (port, path, urllib.parse.urlencode(query))
    return urllib.request.urlopen(url, timeout=20).read()


def serve(fast):
    """Started on the directory, it warns of nothing and gives each plugin's data."""
    log = open(os.path.join(ROOT, "..", "tensorboard.log"), "w+")
    port = 16006 + fast
    board = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", ROOT, "--load_fast", "true" if fast else "false",
                              "--port", str(port), "--samples_per_plugin", "scalars=10000"], stdout=log, stderr=log)
    try:
        for _ in range(60):
            time.sleep(1)
            try:
                if len(json.loads(ask(port, "runs"))) == 6:
                    break
            except OSError:
                pass
        time.sleep(3)
        runs = json.loads(ask(port, "runs"))
        assert sorted(runs) == ["accumulated", "at_epoch", "from_scratch", "once", "purged", "values"], runs
        points = json.loads(ask(port, "plugin/scalars/scalars", run="values", tag="a/curve"))
        assert [p[1] for p in points] == [i * 2**40 for i in range(9)] and points[2][2] == 1.5
        for run_name in ("once", "accumulated", "at_epoch", "from_scratch"):
            for tag, steps in (("step/loss", list(range(1, 61))), ("validation/accuracy", [20, 40, 60])):
                points = json.loads(ask(port, "plugin/scalars/scalars", run=run_name, tag=tag))
                assert [p[1] for p in points if (run_name, p[1]) != ("at_epoch", 40) or tag != "step/loss"] == [
                    s for s in steps if (run_name, s) != ("at_epoch", 40) or tag != "step/loss"], (run_name, tag, points)
        spread = json.loads(ask(port, "plugin/histograms/histograms", run="values", tag="normal"))
        assert sum(b[2] for b in spread[0][2]) == 5000
        pictures = json.loads(ask(port, "plugin/images/images", run="values", tag="sheet", sample=0))
        url = "http://localhost:%d/data/plugin/images/individualImage?%s" % (port, pictures[0]["query"])
        assert Image.open(io.BytesIO(urllib.request.urlopen(url, timeout=20).read())).size == (29, 18)
        texts = json.loads(ask(port, "plugin/text/text", run="values", tag="note/text_summary"))
        assert "<h1>Gr\u00fc\u00dfe</h1>" in texts[0]["text"], texts
        graph = ask(port, "plugin/graphs/graph", run="values").decode()
        assert re.search(r'name: "body/sum"\s+op: "add"\s+input: "body/act"\s+input: "input"', graph), graph
        curves = json.loads(ask(port, "plugin/pr_curves/pr_curves", run="values", tag="class2"))
        assert len(curves["values"][0]["precision"]) == 127
        request = urllib.request.Request("http://localhost:%d/data/plugin/hparams/session_groups" % port, data=json.dumps(
            {"allowedStatuses": ["STATUS_SUCCESS"], "colParams": [], "startIndex": 0, "sliceSize": 10}).encode(),
            headers={"Content-Type": "application/json"})
        groups = json.loads(urllib.request.urlopen(request, timeout=20).read())["sessionGroups"]
        assert groups[0]["hparams"] == {"lr": 0.1, "optimizer": "adam", "flip": True} and groups[0]["name"] == "seeds", groups
        assert [(m["name"]["tag"], m["value"], m["trainingStep"]) for m in groups[0]["metricValues"]] == [("quality", 0.75, 5)], groups
    finally:
        board.terminate()
        board.wait()
        log.seek(0)
        text = log.read()
        log.close()
    # What a restart made void is removed with a notice, by the slow loader.
    told = [line for line in text.splitlines() if re.search(r"\b[WE]\d{4}|[Ww]arn|WARN|[Ee]rror", line) and "Purging" not in line]
    print("load_fast=%s: %d lines of log, %d purges\n%s" % (bool(fast), text.count("\n"), text.count("Purging"), "\n".join(told)))
    return told


ROOT = os.path.join(sys.argv[2], "events_tensorboard")
shutil.rmtree(ROOT, ignore_errors=True)
logging.getLogger("tensorboard").setLevel(logging.ERROR)
check_values()
check_cut_off()
check_resume()
check_purge()
if "serve" in sys.argv[3:]:
    told = serve(0) + serve(1)
    assert not told
shutil.rmtree(ROOT)
