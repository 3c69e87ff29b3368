# setup.sh - sourced by the scripts that build: what is needed, and getting it on Debian. Sets `root` and `build`.
# shellcheck shell=sh
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build

# Installs the Debian packages given that are missing, saying which; on other systems names them and stops.
need_packages()
{
	missing=
	if ! command -v dpkg-query >/dev/null 2>&1; then
		command -v cmake >/dev/null 2>&1 && [ -f "$build/CMakeCache.txt" ] && return 0
		echo "This system has no dpkg. Install the equivalents of these Debian packages, then configure with cmake:"
		echo "  $*"
		exit 1
	fi
	for package in "$@"; do
		# A package may be there for several architectures, in several states.
		case " $(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null)" in
		*" installed "*) ;;
		*) missing="$missing $package" ;;
		esac
	done
	[ -n "$missing" ] || return 0
	echo "Installing:$missing"
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >/dev/null
}

packages='gcc libc6-dev make cmake pkg-config zlib1g-dev libopenblas-dev libstb-dev libjsmn-dev libjpeg-dev libpng-dev'

# Configures with the options given and builds what changed.
build_release()
{
	cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release "$@" >/dev/null
	cmake --build "$build" -j "$(nproc)" >"$build/build.log" 2>&1 || {
		cat "$build/build.log"
		exit 1
	}
}
