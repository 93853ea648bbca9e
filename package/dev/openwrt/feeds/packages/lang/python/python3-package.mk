# Stand-in for the packages feed's file of this name. As there, a package gets legacy
# byte code beside where the sources were, and no sources.

PYTHON3_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PYTHON3_PKG_DIR := /usr/lib/python$(PYTHON3_VERSION)/site-packages
HOST_PYTHON3_BIN := $(PYTHON)
PYTHON3_PKG_BUILD ?= 1

define Py3Build/Compile/Default
	$(PYTHON) $(TOPDIR)/../ipk_wheel.py $(PKG_BUILD_DIR) \
		$(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR) $(PKG_INSTALL_DIR)/usr/bin >$(OUT)/build.log 2>&1 || \
		{ cat $(OUT)/build.log; exit 1; }
endef

Py3Build/Compile ?= $(Py3Build/Compile/Default)
ifeq ($(PYTHON3_PKG_BUILD),1)
  Build/Compile ?= $(Py3Build/Compile)
endif

define Py3Package/filespec/Default
+|$(PYTHON3_PKG_DIR)
endef

define Py3Package/install/Default
	if [ -d $(PKG_INSTALL_DIR)/usr/bin ]; then
		$(INSTALL_DIR) $(1)/usr/bin
		$(CP) $(PKG_INSTALL_DIR)/usr/bin/. $(1)/usr/bin/
	fi
endef

# Files named by a filespec: +|path takes, -|path leaves out.
define Py3Package/CopyFiles
	while IFS='|' read -r sign path; do
		case $$$$sign in
		(+) mkdir -p "$(1)$$$${path%/*}"; $(CP) "$(PKG_INSTALL_DIR)$$$$path" "$(1)$$$${path%/*}/" ;;
		(-) rm -rf "$(1)$$$$path" ;;
		esac
	done <$(1).filespec
endef

# Unchecked: whether byte code is current is never asked where there are no sources. What else
# is installed (-S) or set here must not show in it.
define Py3Package/Compile
	env -i PYTHONHASHSEED=0 $(PYTHON) -S -m compileall -q -r 20 -b -d / --invalidation-mode unchecked-hash $(1)
	$(FIND) $(1) -type f -name '*.py' -delete
	$(FIND) $(1) -mindepth 1 -type d -empty -delete
	if [ -d $(1)/usr/bin ]; then
		sed -i '1s,^#!.*python.*,#!/usr/bin/python3,' $(1)/usr/bin/*
	fi
endef

define Py3Package
Py3Package/$(1)/filespec ?= $$(Py3Package/filespec/Default)
Py3Package/$(1)/install ?= $$(Py3Package/install/Default)
ifndef Package/$(1)/install
define Package/$(1)/install
	$$(file >$$(1).filespec,$$(Py3Package/$(1)/filespec))
	$$(call Py3Package/$(1)/install,$$(1))
	$$(call Py3Package/CopyFiles,$$(1))
	$$(call Py3Package/Compile,$$(1))
endef
endif
define Package/$(1)-src
  $$(call Package/$(1))
  DEPENDS:=
  CONFLICTS:=
  PROVIDES:=
  USERID:=
  TITLE+= (sources)
endef
ifndef Package/$(1)-src/install
define Package/$(1)-src/install
	$$(file >$$(1).filespec,$$(Py3Package/$(1)/filespec))
	$$(call Py3Package/CopyFiles,$$(1))
	$(FIND) $$(1) -not -type d -not -name '*.py' -delete
	$(FIND) $$(1) -mindepth 1 -type d -empty -delete
endef
endif
endef
