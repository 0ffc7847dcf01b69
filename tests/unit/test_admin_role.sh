#!/bin/sh
# SPDX-License-Identifier: ISC
#
# A row of the admin API's table that leaves its role out must not compile; the
# same row with its role must.

set -eu
src=${srcdir:-.}/src

compile()
{
	printf '#include "admin/api.h"\nconst struct api_route row = %s;\n' "$1" |
		${CC:-cc} -std=gnu11 -I"$src" -fsyntax-only -x c - 2>/dev/null
}

compile 'ROUTE(GET, "/x", READ, .status = 200)' || {
	echo "a row with its role does not compile"
	exit 1
}
for row in 'ROUTE(GET, "/x", .status = 200)' 'ROUTE(GET, "/x")' \
	'ROUTE(GET, "/x", , .status = 200)' \
	'ROUTE(GET, "/x", NOBODY, .status = 200)'; do
	if compile "$row"; then
		echo "this compiles without a role: $row"
		exit 1
	fi
done
