# shellcheck shell=dash disable=SC1090
#
# A stand-in for OpenWrt's functions.sh. A UCI file of plain lines is a shell script, given
# the words it begins its lines with.

config_load() {
	config_loads=$((config_loads + 1))
	config_number=0
	[ ! -e "/etc/config/$1" ] || . "/etc/config/$1"
}

config() {
	config_number=$((config_number + 1))
	eval "config_type_$config_number=\$1"
}

option() {
	eval "config_${config_loads}_${config_number}_$1=\$2"
}

list() {
	local name="config_${config_loads}_${config_number}_$1"
	eval "$name=\"\${$name:+\$$name }\$2\""
}

config_foreach() {
	local number=1 kind
	while [ "$number" -le "$config_number" ]; do
		eval "kind=\$config_type_$number"
		[ "$kind" != "$2" ] || "$1" "$number"
		number=$((number + 1))
	done
}

config_get() {
	eval "$1=\${config_${config_loads}_$2_$3:-\$4}"
}

config_get_bool() {
	local value
	config_get value "$2" "$3" "$4"
	case "$value" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	*) eval "$1=0" ;;
	esac
}

# CONFIG LIST FUNCTION, which is called with each item.
config_list_foreach() {
	local items item
	config_get items "$1" "$2"
	for item in $items; do
		"$3" "$item"
	done
}
