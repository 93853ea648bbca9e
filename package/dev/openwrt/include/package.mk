# Stand-in for OpenWrt's file of this name. `stage` leaves for each package of a recipe
# in OUT: NAME/root, its files; NAME/fields, what `define Package/NAME` sets; and its texts
# (description, conffiles, maintainer scripts) in files of their names.

SHELL := /bin/sh
.SHELLFLAGS := -ec
.ONESHELL:
.SUFFIXES:
.DEFAULT_GOAL := stage

PKG_BUILD_DIR ?= $(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR ?= $(PKG_BUILD_DIR)/ipkg-install

FIELDS := TITLE SECTION CATEGORY SUBMENU DEPENDS EXTRA_DEPENDS PROVIDES CONFLICTS PKGARCH USERID
FIELDS += URL LICENSE LICENSE_FILES MAINTAINER VERSION SOURCE_NAME
TEXTS := description conffiles preinst postinst prerm postrm

define Package/Default
  $(foreach field,$(FIELDS),$(field):=
)
  PKGARCH:=$(ARCH_PACKAGES)
  LICENSE:=$(PKG_LICENSE)
  LICENSE_FILES:=$(PKG_LICENSE_FILES)
  MAINTAINER:=$(PKG_MAINTAINER)
  VERSION:=$(PKG_VERSION)-r$(PKG_RELEASE)
  SOURCE_NAME:=$(PKG_NAME)
endef

define Build/Prepare/Default
	tar -xzf $(DL_DIR)/$(PKG_SOURCE) -C $(PKG_BUILD_DIR) --strip-components=1
endef

Build/Prepare ?= $(Build/Prepare/Default)

.PHONY: stage build download
stage:
download:

# One shell per rule, which ends at the first command that fails.
build: download
	rm -rf $(PKG_BUILD_DIR)
	mkdir -p $(PKG_BUILD_DIR)
	$(Build/Prepare)
	$(Build/Compile)

# A package with the sources goes beside each Python package of the feed; here on demand.
define BuildPackage
$(if $(filter-out %-src,$(1))$(SOURCES),$(call StagePackage,$(1)))
endef

# A rule's text is expanded, and with it the files written, before its commands run.
define StagePackage
$(shell mkdir -p $(OUT)/$(1)/root)
$(eval $(Package/Default))
$(eval $(Package/$(1)))
.PHONY: stage-$(1)
stage: stage-$(1)
stage-$(1): build
	$(call Package/$(1)/install,$(OUT)/$(1)/root)
	$$(file >$(OUT)/$(1)/fields)
	$(foreach field,$(FIELDS),
	$$(file >>$(OUT)/$(1)/fields,$(field)=$(strip $($(field)))))
	$$(foreach text,$(TEXTS),$$(if $$(Package/$(1)/$$(text)),$$(file >$(OUT)/$(1)/$$(text),$$(Package/$(1)/$$(text)))))
endef
