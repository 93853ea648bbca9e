# shellcheck shell=dash
#
# A stand-in for OpenWrt's functions/network.sh: the networks that are up are files.

network_get_device() {
	[ -e "/tmp/networks/$2" ] || return 1
	read -r "$1" <"/tmp/networks/$2"
}

network_find_wan() {
	[ -e /tmp/networks/default ] || return 1
	read -r "$1" </tmp/networks/default
}
