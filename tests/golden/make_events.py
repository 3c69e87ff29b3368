#!/usr/bin/env python3
"""Event records as TensorBoard's own classes and PyTorch's writer make them: events.inc. Needs tensorboard, torch, torchvision."""
import os
import struct

import numpy as np
import torch
import torchvision
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.summary.writer.record_writer import masked_crc32c
from torch.utils.tensorboard import summary


def record(event):
    data = event.SerializeToString(deterministic=True)
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc32c(head)) + data + struct.pack("<I", masked_crc32c(data))


def hparams(tag, content):
    s = summary.hparams({}, {})[0]
    s.value[0].tag = "_hparams_/" + tag
    s.value[0].metadata.plugin_data.content = content.SerializeToString(deterministic=True)
    return s


def default_bins():
    v, edges = 1e-12, []
    while v < 1e20:
        edges.append(v)
        v *= 1.1
    return [-e for e in edges[::-1]] + [0] + edges


graph = GraphDef()
node = graph.node.add(name="input", op="Placeholder")
for size in (-1, 2):
    shape = node.attr["_output_shapes"].list.shape
    (shape.add() if not shape else shape[0]).dim.add(size=size)
node = graph.node.add(name="body/out", op="softmax", input=["input"])
node.attr["_output_shapes"].CopyFrom(graph.node[0].attr["_output_shapes"])
graph.versions.producer = 22
data = HParamsPluginData()
data.experiment.hparam_infos.add(name="flip", type=2)
data.experiment.hparam_infos.add(name="lr", type=3)
data.experiment.hparam_infos.add(name="name", type=1)
data.experiment.metric_infos.add().name.tag = "loss"
start, end = HParamsPluginData(), HParamsPluginData()
values = start.session_start_info.hparams
values["flip"].bool_value, values["lr"].number_value, values["name"].string_value = False, 0.125, "adam"
start.session_start_info.group_name, start.session_start_info.start_time_secs = "g", 2000.25
end.session_end_info.status, end.session_end_info.end_time_secs = 2, 2000.25
scores = np.array([0, 0.5, 0.25, 0.75, 1, 0.125], np.float32)
events = [Event(wall_time=2000.25, step=step, summary=s) for step, s in (
    (0, summary.scalar("loss", 0.0)),
    (300, summary.scalar("loss/\u00e4", -1.5)),
    (7, summary.text("note", "*hi* \u00e4")),
    (1 << 40, summary.histogram("spread", np.array([1, 1.03125, 1.5, 2, 1.5]), default_bins())),
    (2, summary.pr_curve("class", np.array([0, 1, 0, 1, 1, 0]), scores)),
    (0, hparams("experiment", data)), (0, hparams("session_start_info", start)), (0, hparams("session_end_info", end)))]
events += [Event(wall_time=2000.25, graph_def=graph.SerializeToString(deterministic=True))]
events += 2 * [Event(wall_time=2000.25, step=9, session_log=SessionLog(status=SessionLog.START))]
pictures = (np.arange(3 * 3 * 2 * 2) * 7 % 256).astype(np.uint8).reshape(3, 3, 2, 2)
sheet = torchvision.utils.make_grid(torch.from_numpy(pictures), nrow=2).numpy().transpose(1, 2, 0)


def listed(numbers):
    lines = [", ".join("%d" % n for n in numbers[i:i + 24]) for i in range(0, len(numbers), 24)]
    return ",\n\t".join(lines)


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "events.inc"), "w") as out:
    out.write("/* Made by make_events.py. */\n")
    out.write("static const uint8_t golden[] = {\n\t%s\n};\n" % listed(b"".join(record(e) for e in events)))
    out.write("enum { SHEET_H = %d, SHEET_W = %d };\n" % sheet.shape[:2])
    out.write("static const uint8_t sheet[SHEET_H * SHEET_W * 3] = {\n\t%s\n};\n" % listed(sheet.tobytes()))
