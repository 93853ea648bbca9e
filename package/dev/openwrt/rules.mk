# Stand-in for OpenWrt's file of this name, so that `make ipk` can evaluate the recipes
# of this repository without a build tree. Only what they use is here.
#
# package/dev/ipk_recipe.py gives: OUT (everything goes there), DL_DIR, PYTHON,
# and SOURCES for the packages with sources, too.

empty :=
space := $(empty) $(empty)
comma := ,

INCLUDE_DIR := $(TOPDIR)/include
BUILD_DIR := $(OUT)/build
STAGING_DIR :=
ARCH_PACKAGES := $(shell uname -m)

INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
CP := cp -fpR
LN := ln -sf
SED := sed -i -e
FIND := find
