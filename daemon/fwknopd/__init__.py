"""fwknop-wrt's daemon: Single Packet Authorization for OpenWrt routers."""

__version__ = "0.1.0"
