#!/bin/sh
# Builds and runs the whole test suite: sh tests/run.sh [ctest arguments]
set -eu
. "$(dirname "$0")/../cmake/setup.sh"
# shellcheck disable=SC2086
need_packages $packages libcmocka-dev g++ dataset-fashion-mnist
build_release -DNNOPT_BUILD_TESTS=ON
cd "$build"
exec ctest --output-on-failure "$@"
