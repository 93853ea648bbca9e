# shellcheck shell=dash disable=SC1090
#
# A stand-in for the part of OpenWrt's functions.sh that packages call when they are installed
# and removed.

OPKG=/usr/lib/opkg/info

# $1: the script of a package that calls it.
of_package() {
	pkgname="$(basename "${1%.*}")"
}

listed() {
	grep "^$1" "$OPKG/$pkgname.list"
}

# Entries of Require-User: [user][:group], each with a number or without.
add_users() {
	local entries entry user group

	entries="$(sed -n 's/^Require-User: //p' "$OPKG/$pkgname.control")"
	for entry in $entries; do
		user="${entry%%:*}"
		group="${entry#*:}"
		grep -q "^${group%=*}:" /etc/group || echo "${group%=*}:x:65536:" >>/etc/group
		[ -z "$user" ] || grep -q "^${user%=*}:" /etc/passwd ||
			echo "${user%=*}:x:65536:65536:${user%=*}:/var/run/${user%=*}:/bin/false" >>/etc/passwd
	done
}

default_postinst() {
	local file

	of_package "$1"
	add_users
	for file in $(listed /etc/uci-defaults/); do
		[ ! -f "$file" ] || (cd /etc/uci-defaults && . "$file") && rm -f "$file"
	done
	[ ! -f "$OPKG/$pkgname.postinst-pkg" ] || (. "$OPKG/$pkgname.postinst-pkg")
	for file in $(listed /etc/init.d/); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
}

default_prerm() {
	local file

	of_package "$1"
	[ ! -f "$OPKG/$pkgname.prerm-pkg" ] || (. "$OPKG/$pkgname.prerm-pkg")
	for file in $(listed /etc/init.d/); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
}
