# Make package files of a package project. Include it from the project's Makefile, after what that sets itself:
#
#     ARCHES := x86 arm
#     include node_modules/@hearthos/sdk/s9pk.mk
#
# make              a file for each of ARCHES (x86 arm riscv), or what TARGETS lists
# make x86          for one architecture; x86_64, arm, arm64, aarch64, riscv, riscv64
# make universal    one file for all
# make install      install the file that fits the server
# make publish      build all, and publish them
# make clean        remove the code and the files that were made; what npm installed stays, this file is part of it
#
# With VARIANT=cuda the files are ID_cuda_ARCH.s9pk, and the package's code reads process.env.VARIANT. A Makefile that was
# written for the s9pk.mk of StartOS needs only the other include. Which server, registry and key are used says hearth.yaml.

HEARTH ?= hearth
# Where the manifest is, its first id is the package's.
MANIFEST ?= $(firstword $(wildcard startos/manifest/index.ts startos/manifest.ts package.ts))
ifndef PACKAGE_ID
# Each member of an object on a line of its own, wherever it stands.
PACKAGE_ID := $(shell cat $(MANIFEST) /dev/null | tr '{,' '\n\n' | sed -n "s/^[[:space:]]*['\"]\{0,1\}id['\"]\{0,1\}[[:space:]]*:[[:space:]]*['\"]\([a-z0-9-]*\)['\"].*/\1/p" | head -n 1)
endif
ifeq ($(PACKAGE_ID),)
$(error no id of a package is in '$(MANIFEST)': set PACKAGE_ID)
endif
ARCHES ?= x86 arm riscv
TARGETS ?= $(ARCHES)
BASE_NAME := $(PACKAGE_ID)$(if $(VARIANT),_$(VARIANT))
# The files that were made, as the shell sees them when it is asked.
MADE = $$(ls $(BASE_NAME).s9pk $(BASE_NAME)_*.s9pk 2>/dev/null)
# What the code is made of, and what the file is made of. A space in a name is one of the name.
SOURCES := $(wildcard *.ts package.json tsconfig.json) $(shell find startos -type f 2>/dev/null | sed 's/ /\\ /g')
INGREDIENTS := javascript/index.js $(filter-out javascript/%,$(shell $(HEARTH) s9pk ingredients 2>/dev/null | sed 's/ /\\ /g'))
# The manifest tells the revision, so what changes it makes the file anew.
GIT_DIR := $(shell git rev-parse --git-dir 2>/dev/null)
REVISION := $(if $(GIT_DIR),$(wildcard $(GIT_DIR)/HEAD $(GIT_DIR)/index))

.PHONY: all arches universal x86 x86_64 arm arm64 aarch64 riscv riscv64 ingredients install publish check-deps check-init clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(TARGETS)
arches: $(ARCHES)
universal: $(BASE_NAME).s9pk
x86 x86_64: arch/x86_64
arm arm64 aarch64: arch/aarch64
riscv riscv64: arch/riscv64
arch/%: $(BASE_NAME)_%.s9pk ;

# print-NAME tells what a variable is.
print-%:
	@echo '$($*)'

ingredients: $(INGREDIENTS)

$(BASE_NAME).s9pk: $(INGREDIENTS) $(REVISION) | check-deps check-init
	$(HEARTH) s9pk pack . --out $@

$(BASE_NAME)_%.s9pk: $(INGREDIENTS) $(REVISION) | check-deps check-init
	$(HEARTH) s9pk pack . --arch $* --out $@

javascript/index.js: $(SOURCES) node_modules | check-deps
	npm run --silent --if-present check
	npm run --silent build
	$(HEARTH) s9pk lint .

node_modules: package.json $(wildcard package-lock.json)
	npm $(if $(wildcard package-lock.json),ci,install) --no-fund --no-audit
	@mkdir -p $@ && touch $@

install: | check-deps
	file=$$($(HEARTH) s9pk select $(MADE)) && $(HEARTH) package install "$$file"

# What was not made just now may not be what is meant.
publish: all | check-deps check-init
	@for file in $(MADE); do \
		if [ -n "$$(find "$$file" -mmin +60)" ]; then \
			printf '%s was made more than an hour ago. Publish it? [y/N] ' "$$file"; \
			read -r answer; \
			case $$answer in [yY]*) ;; *) continue ;; esac; \
		fi; \
		$(HEARTH) s9pk publish "$$file" || exit 1; \
	done

check-deps:
	@for program in $(HEARTH) npm mksquashfs; do \
		command -v "$$program" >/dev/null || { echo "$$program is not installed" >&2; exit 1; }; \
	done

check-init:
	@$(HEARTH) keys show >/dev/null 2>&1 || $(HEARTH) keys init >/dev/null

clean:
	rm -rf javascript $(PACKAGE_ID).s9pk $(PACKAGE_ID)_*.s9pk
