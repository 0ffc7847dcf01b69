#!/bin/sh
# SPDX-License-Identifier: ISC
#
# package.sh BUILD - the Debian packages, into BUILD/packages
#
# BUILD is a configured build folder: its `make dist` is what is packaged, so a
# release makes the same packages as a checkout. What did not change since the
# last time is not built again. lintian looks at the result: an error or a
# warning without an override fails, and the packages go away again.

set -eu
build=$(cd "$1" && pwd -P)
out=$build/packages
work=$out/work
log=$out/build.log

fail() {
	echo "package: $*" >&2
	exit 1
}

# The version stands in configure.ac alone; what is new in it, in NEWS.
changelog() { # changelog FOLDER VERSION
	cat <<END
drover ($2) bookworm; urgency=medium

  * Version $2; NEWS tells what is new.

 -- The drover authors <maintainers@drover.invalid>  $(date -R -u -r "$1/NEWS")
END
}

summed() { # of all files below a folder
	(cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
		sha256sum | cut -d ' ' -f 1
}

mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
rm -rf "$work"
mkdir "$work"
rm -f "$build"/drover-*.tar.xz
make -s -C "$build" dist >"$log" 2>&1 9>&- || { cat "$log" >&2; fail "make dist failed"; }
tarball=$(find "$build" -maxdepth 1 -name 'drover-*.tar.xz')
tar -C "$work" -xf "$tarball"
rm -f "$tarball"
tree=$(echo "$work"/drover-*)
version=${tree##*/drover-}

sum=$(summed "$tree")
if [ "$(cat "$out/.sum" 2>/dev/null)" != "$sum" ]; then
	rm -f "$out"/*.deb "$out/.sum"
	changelog "$tree" "$version" >"$tree/debian/changelog"
	(
		cd "$tree"
		DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" \
			dpkg-buildpackage -b -us -uc
	) >"$log" 2>&1 9>&- || { tail -n 60 "$log" >&2; fail "see $log"; }
	lintian --allow-root --fail-on error,warning "$work"/drover_*.changes \
		>"$out/lintian.log" 2>&1 9>&- || { cat "$out/lintian.log" >&2; fail "lintian objects"; }
	mv "$work"/*.deb "$out"
	echo "$sum" >"$out/.sum"
fi
rm -rf "$work"
ls "$out"/*.deb
