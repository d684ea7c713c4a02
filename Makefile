# SPDX-License-Identifier: Apache-2.0
# Only forwards: Meson builds, tests/run tests, tools/ and examples/ do the rest.
BUILD ?= build
PREFIX ?= /usr/local

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo 'meson is missing: run "make deps" first' >&2; exit 1; }
	meson setup $(BUILD) --prefix $(PREFIX)

# Debian packages for building, testing and the demo; nothing is installed that is there already.
deps:
	tools/install-deps

demo: deps
	$(MAKE) all
	examples/hello/demo

check: deps
	tests/run

# The loops that take long: estibad is killed at every named point and at random instants, hundreds of times.
nightly: deps
	tests/run --quick --long nightly_crash.py

# PREFIX counts here only if it is given; otherwise the one that the build was set up with.
install: all
	$(if $(findstring $(origin PREFIX),command line environment),meson configure $(BUILD) -Dprefix=$(PREFIX))
	meson install -C $(BUILD)

# clang-tidy and cppcheck over what differs from main; ARGS=--all for everything.
lint:
	tools/lint $(ARGS)

clean:
	rm -rf $(BUILD) build-asan build-arm64 build-lint

.PHONY: all deps demo check nightly install lint clean
