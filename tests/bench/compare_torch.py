#!/usr/bin/env python3
"""This library against PyTorch, ONNX Runtime and torchvision, alternating in one run.

usage: compare_torch.py [--bench PATH] [--filter TEXT] [--precision f32,bf16] [--isa avx2] [--rounds N] [--seconds S]
                        [--pictures DIR [--trainer PATH] [--epochs N]] [--no-compile] [--json]

For each case nnopt-bench and its peers take turns; each side's best round counts, because others' work only ever adds time. The
peer named in a line is the best of all that ran. The ratio is ours over the peer's: above 1 is better for rates (img/s), below 1 for
times and memory (ms, MiB, s). --isa avx2 caps both sides (ONNX Runtime, which cannot be capped, is left out). Cases: those of
nnopt-bench that a peer has: NETWORK/train|infer/BATCH, process/NETWORK/..., and with --pictures DIR (train/ and test/ with a
folder a class) loader/... and end-to-end/baseline, which runs the example --trainer for --epochs and takes minutes."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--bench", default="build/tests/bench/nnopt-bench")
parser.add_argument("--trainer", default="build/examples/train_cifar10")
parser.add_argument("--filter", default="")
parser.add_argument("--precision", default="f32,bf16")
parser.add_argument("--isa", choices=["best", "avx2"], default="best")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=float, default=2.0)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--pictures")
parser.add_argument("--no-compile", action="store_true")
parser.add_argument("--json", action="store_true")
options = parser.parse_args()

# Both are read when the libraries start, so before they are imported.
if options.isa == "avx2":
    os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2")
os.environ.pop("OPENBLAS_CORETYPE", None)
import torch  # noqa: E402
import peers  # noqa: E402

torch.set_num_threads(options.threads)
torch.manual_seed(0)
if options.isa == "avx2":
    import torch._inductor.config
    torch._inductor.config.cpp.simdlen = 256


def say(text):
    print(text, file=sys.stderr, flush=True)


def ours(case, precision="f32", key="best", more=()):
    """A figure of nnopt-bench, or None where it has none of this precision."""
    command = [options.bench, "--json", "--filter", case, "--threads", str(options.threads), "--seconds", str(options.seconds),
               "--isa", options.isa, "--precision", precision, *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        say(f"{case} {precision}: {done.stderr.strip()}")
        return None
    return next(line[key] for line in map(json.loads, done.stdout.splitlines()) if line["case"] == case)


def anew(what, *arguments):
    """What peers.py does in a process of its own; when it began is added."""
    begun = time.clock_gettime(time.CLOCK_MONOTONIC)
    command = [sys.executable, peers.__file__, what, str(options.threads), *map(str, arguments)]
    return {**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout), "begun": begun}


def known_precisions():
    """Those asked for that nnopt-bench has."""
    asked = options.precision.split(",")
    return [p for p in asked if subprocess.run([options.bench, "--filter", "none", "--precision", p], capture_output=True).returncode == 0]


def show(case, precision, mine, peer, name, unit):
    if options.json:
        print(json.dumps({"case": case, "precision": precision, "ours": mine, "peer": peer, "peer_name": name, "unit": unit,
                          "ratio": mine / peer}), flush=True)
    else:
        print(f"{case:30s} {precision:5s} ours {mine:10.1f}  peer {peer:10.1f} {unit:6s} ratio {mine / peer:6.2f}  ({name})", flush=True)


def wanted(case):
    return options.filter in case


def cores_apart():
    """Nanoseconds from one core to another, a list; a virtual machine's cores move, and with them what a step takes."""
    return [ours("machine/cores/apart")] if options.threads > 1 and not options.json else []


def alternate(case, precision, candidates, unit, more=()):
    """Rates: ours and each peer's in turn, best of the rounds."""
    mine, theirs, apart = 0.0, {peer.name: 0.0 for peer in candidates}, cores_apart()
    for _ in range(options.rounds):
        figure = ours(case, precision, more=more)
        if figure is None:
            return
        mine = max(mine, figure)
        for peer in candidates:
            theirs[peer.name] = max(theirs[peer.name], peer.rate(options.seconds))
        apart += cores_apart()
    best = max(theirs, key=theirs.get)
    if not options.json:
        say("  " + ", ".join(f"{name} {rate:.1f}" for name, rate in theirs.items()) +
            (f"; cores {min(apart):.0f} to {max(apart):.0f} ns apart" if apart else ""))
    show(case, precision, mine, theirs[best], best, unit)


def try_peer(make, what):
    """A peer where it works on this machine, in a list; else the reason and an empty one."""
    try:
        return [make()]
    except Exception as error:  # whatever an exporter or compiler raises
        say(f"{what}: left out: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        return []


def network_case(case, network, batch, training, precision, directory):
    found = [peers.TorchPeer(network, batch, training, layout, precision) for layout in ("NCHW", "NHWC")]
    if not options.no_compile:
        layout = max(found, key=lambda peer: peer.rate(options.seconds / 2)).name.split()[-1]
        found += try_peer(lambda: peers.TorchPeer(network, batch, training, layout, precision, True), f"{case}: torch.compile")
    if not training and precision == "f32" and options.isa == "best":
        path = os.path.join(directory, f"{network}-{batch}.onnx")
        found += try_peer(lambda: peers.RuntimePeer(network, batch, options.threads, path), f"{case}: ONNX Runtime")
    alternate(case, precision, found, "img/s")
    torch.compiler.reset()


def network_cases():
    precisions = known_precisions()
    with tempfile.TemporaryDirectory() as directory:
        for network, (_, train_batch) in peers.NETWORKS.items():
            for kind, batch in (("train", train_batch), ("infer", 64), ("infer", 1)):
                case = f"{network}/{kind}/{batch}"
                for precision in precisions if wanted(case) else ():
                    network_case(case, network, batch, kind == "train", precision, directory)


def loader_cases():
    folder = os.path.join(options.pictures, "train")
    for source, recipe in (("jpeg", "plain"), ("jpeg", "augmented"), ("jpeg", "heavy"), ("cache", "plain"), ("cache", "augmented")):
        if wanted(f"loader/{source}/{recipe}"):
            candidates = try_peer(lambda: peers.LoaderPeer(folder, recipe), "torchvision")
            if candidates:
                alternate(f"loader/{source}/{recipe}", "f32", candidates, "img/s", ("--pictures", folder))


def process_cases():
    for network, (_, batch) in peers.NETWORKS.items():
        case = f"process/{network}/first-step/{batch}"
        if not wanted(case):
            continue
        runs = [anew("first-step", network, batch) for _ in range(options.rounds)]
        show(case, "f32", ours(case), min(run["done"] - run["begun"] for run in runs) * 1e3, "torch NCHW", "ms")
        show(case + "/memory", "f32", ours(case, key="peak_process_mib"), min(run["mib"] for run in runs), "torch NCHW", "MiB")


def end_to_end():
    """Once each: the runs are long. Ours is the whole process, the peer's time leaves out starting Python."""
    with tempfile.TemporaryDirectory() as directory:
        begun = time.perf_counter()
        subprocess.run([options.trainer, "--images", options.pictures, "--epochs", str(options.epochs), "--threads", str(options.threads),
                        "--out", os.path.join(directory, "net.safetensors")], check=True, stdout=sys.stderr)
        mine = time.perf_counter() - begun
    run = anew("end-to-end", options.pictures, options.epochs, options.threads)
    say(f"  torch: test accuracy {run['accuracy']:.4f}")
    show(f"end-to-end/baseline/{options.epochs}-epochs", "f32", mine, run["seconds"], f"torch NHWC, {options.threads} loader workers", "s")


if not options.json:
    print(f"PyTorch {torch.__version__}, {options.threads} threads, ISA {options.isa}")
network_cases()
process_cases()
if options.pictures:
    loader_cases()
    if wanted("end-to-end/baseline"):
        end_to_end()
