# What run and the recipes of images share. To be sourced, with repo set to the root of the repository.
# shellcheck shell=bash disable=SC2034

cache=${HEARTH_CACHE:-$repo/.cache}/compat
case $(dpkg --print-architecture) in
amd64) arch=x86_64 ;;
arm64) arch=aarch64 ;;
*) echo "compat: there is no Node for the containers of this machine" >&2; exit 1 ;;
esac

say() { echo "compat: $*" >&2; }
die() { say "$*"; exit 1; }

# use_node puts the Node of the containers first in the path: what the recipes build wants one as new as that.
use_node() {
	local package version dir
	read -r package version < <(awk -v a="$(dpkg --print-architecture)" '$1 == a { print $2, $3 }' "$repo/runtime/rootfs/node.lock")
	dir="$cache/node-$version"
	if [ ! -x "$dir/node" ]; then
		local archive="${cache%/compat}/rootfs/$package-$version.tgz"
		[ -f "$archive" ] || die "needs $archive, which make build leaves there"
		mkdir -p "$dir"
		tar -xzf "$archive" -C "$dir" --strip-components=2 package/bin/node
	fi
	export PATH="$dir:$PATH"
}

# use_pnpm puts the pnpm that the package.json in the folder $1 asks for first in the path.
use_pnpm() {
	local version dir
	version=$(node -p 'require(process.argv[1]).packageManager.match(/^pnpm@([0-9.]+)/)[1]' "$1/package.json")
	dir="$cache/pnpm-$version"
	[ -d "$dir/node_modules/pnpm" ] || npm install --prefix "$dir" --no-save --ignore-scripts --no-fund --no-audit --silent "pnpm@$version"
	export PATH="$dir/node_modules/.bin:$PATH"
}

# go_source leaves a copy of the Go module $1 at version $2, which can be written to, in the folder $3.
go_source() {
	local from
	from=$(cd "$cache" && go mod download -json "$1@$2" | node -p 'JSON.parse(require("fs").readFileSync(0)).Dir') || die "cannot get $1 $2"
	rm -rf "$3"
	cp -r "$from" "$3"
	chmod -R u+w "$3"
}

# image makes the image $2 in the folder $1 with Debian packages: image DIR ID HOOK PACKAGE... ; files of the hook are
# its folder and those that HOOK_INPUTS names.
image() {
	local out="$1/$2.squashfs" hook=$3
	shift 3
	"$repo/sdk-ts/examples/hello-hearth/image/debian" --hook "$hook" "$out" "$@"
}
