#!/bin/sh
# From nothing to a trained network: installs what is missing, builds, trains a CNN on Fashion-MNIST, and uses it.
# usage: sh examples/quickstart.sh [--epochs N]
set -eu
. "$(dirname "$0")/../cmake/setup.sh"

epochs=14
while [ $# -gt 0 ]; do
	case $1 in
	--epochs) epochs=$2 && shift 2 ;;
	--help) echo "usage: sh examples/quickstart.sh [--epochs N]" && exit 0 ;;
	*) echo "usage: sh examples/quickstart.sh [--epochs N]" >&2 && exit 2 ;;
	esac
done

# shellcheck disable=SC2086
need_packages $packages dataset-fashion-mnist
build_release -DNNOPT_BUILD_TESTS=OFF # they want packages of their own
out=$build/quickstart
mkdir -p "$out"
"$build/examples/quickstart" "$epochs" /usr/share/datasets/fashion-mnist "$out"
"$build/examples/quickstart_classify" /usr/share/datasets/fashion-mnist "$out"
