# Stand-in for the packages feed's file of this name: sources from PyPI. pip checks the
# digest before it runs anything out of the archive.

PYPI_SOURCE_NAME ?= $(PYPI_NAME)
PYPI_SOURCE_EXT ?= tar.gz
PKG_SOURCE ?= $(PYPI_SOURCE_NAME)-$(PKG_VERSION).$(PYPI_SOURCE_EXT)

PIP := $(PYTHON) -m pip --quiet --disable-pip-version-check

download: $(DL_DIR)/$(PKG_SOURCE)

$(DL_DIR)/$(PKG_SOURCE):
	mkdir -p $(OUT)/download $(DL_DIR)
	echo '$(PYPI_NAME)==$(PKG_VERSION) --hash=sha256:$(PKG_HASH)' >$(OUT)/download/wanted
	$(PIP) download --no-deps --no-binary :all: --no-build-isolation --require-hashes \
		--dest $(OUT)/download -r $(OUT)/download/wanted
	mv $(OUT)/download/$(PKG_SOURCE) $(DL_DIR)/
