#!/bin/sh
# shellcheck disable=SC1090,SC2317 # sources what it is given, which calls these
#
# A stand-in for OpenWrt's rc.common, functions.sh and procd.sh: what an init script tells
# procd is written down, one call a line, its words between tabs.
#
# procd itself is the folder /tmp/procd: `running` is there while the service runs. Of one that
# was killed procd hears only later, so in the midst of a restart it still lists it.

initscript=$1
action=${2:-help}
shift 2

record() {
	local word line=
	for word; do
		line="$line$word	"
	done
	echo "${line%	}" >>/tmp/procd/calls
}

for name in open_service close_service open_instance close_instance set_param append_param \
	add_jail add_jail_mount add_jail_mount_rw add_reload_trigger \
	add_reload_interface_trigger kill; do
	eval "procd_$name() { record procd_$name \"\$@\"; }"
done

procd_running() {
	[ -e "/tmp/procd/running" ]
}

. /lib/functions.sh

start_service() { :; }
stop_service() { :; }
service_triggers() { :; }

. "$initscript"

service=$(basename "$initscript")

start() {
	procd_open_service "$service" "$initscript"
	start_service "$@"
	procd_close_service_with_triggers
}

procd_close_service_with_triggers() {
	service_triggers
	procd_close_service set
}

stop() {
	stop_service "$@"
	procd_kill "$service"
	killed=1
	! type service_stopped >/dev/null || service_stopped
}

restart() {
	stop "$@"
	start "$@"
}

reload() {
	reload_service "$@"
}

running() {
	procd_running "$service"
}

status() {
	status_service "$@"
}

# Without START a script is not for the boot.
enable() {
	[ -z "$START" ] || ln -sf "../init.d/$service" "/etc/rc.d/S$START$service"
}

disable() {
	rm -f "/etc/rc.d/S$START$service"
}

"$action" "$@"
ended=$?
[ -z "$killed" ] || rm -f /tmp/procd/running
exit $ended
