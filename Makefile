# Hearth: 'make help' lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
STATE ?= $(CURDIR)/.hearth
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS := -s -w -X main.Version=$(VERSION) -X main.version=$(VERSION)
GO_SOURCES := $(shell find api clients server runtime -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum
WEB_SOURCES := $(shell find clients/web/src clients/web/worker clients/web/build clients/web/public sdk-ts/packages/api/src sdk-ts/packages/api/gen -type f 2>/dev/null) clients/web/index.html clients/web/vite.config.ts
TS_SOURCES := $(shell find runtime/jshost/src sdk-ts/packages/abi sdk-ts/packages/api sdk-ts/packages/sdk/src -name '*.ts' -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help
help: ## List what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Install what this machine lacks (Debian packages, npm packages)
	@scripts/setup

node_modules/.package-lock.json: package.json package-lock.json
	@scripts/setup
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# The compilers that the types of the SDK are held against; each brings a program called tsc, so they are outside of the workspace.
compilers := sdk-ts/packages/sdk/compilers
$(compilers)/node_modules/.package-lock.json: $(compilers)/package.json $(compilers)/package-lock.json
	npm ci --prefix $(compilers) --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

# What makes the Python client, checks its types and runs its test; nothing of it is outside of this folder.
.cache/python/.installed: clients/gen/python/requirements.txt
	@scripts/setup
	rm -rf .cache/python && python3 -m venv .cache/python
	.cache/python/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: generate
generate: node_modules/.package-lock.json .cache/python/.installed ## Generate Go, TypeScript, Python and OpenAPI from the contract
	buf format -w api/proto
	buf lint
	scripts/generate

bin/hearth: $(GO_SOURCES)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./clients/cli
# The page as the server embeds it.
clients/web/bundle/dist/index.html: $(WEB_SOURCES) $(wildcard api/text/*.json) node_modules/.package-lock.json
	npm run build --silent --workspace clients/web
bin/hearthd: $(GO_SOURCES) clients/web/bundle/dist/index.html
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./server/cmd/hearthd
bin/hearth-door: $(GO_SOURCES)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./server/cmd/hearth-door
bin/hearth-registry: $(GO_SOURCES)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./server/cmd/hearth-registry
bin/hearth-agent: $(GO_SOURCES)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./runtime/agent
bin/hearth-lxc: $(GO_SOURCES) | node_modules/.package-lock.json
	CGO_ENABLED=1 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./server/cmd/hearth-lxc
bin/jshost/index.mjs: $(TS_SOURCES) node_modules/.package-lock.json
	npm run build --silent --workspace runtime/jshost
	@mkdir -p bin/jshost && cp runtime/jshost/dist/legacy.mjs bin/jshost/ && cp runtime/jshost/dist/index.mjs $@

.PHONY: binaries
binaries: bin/hearth bin/hearthd bin/hearth-door bin/hearth-registry bin/hearth-agent bin/hearth-lxc bin/jshost/index.mjs

.PHONY: man
man: bin/hearth ## Write the manual pages of the command line into bin/man
	LC_ALL=C bin/hearth man bin/man

.PHONY: rootfs
rootfs: node_modules/.package-lock.json ## Build the root that all containers share (needs root)
	runtime/rootfs/build bin/rootfs.squashfs

.PHONY: build
build: node_modules/.package-lock.json ## Build everything into bin/
	@$(MAKE) --no-print-directory binaries rootfs

.PHONY: sample
sample: build ## Build the sample package and the examples
	scripts/sample bin/hello-hearth.s9pk
	scripts/suite bin
	scripts/examples bin

.PHONY: deb
deb: build ## Build the Debian package
	osimage/deb/build bin/hearth.deb

.PHONY: run
run: sample ## Build, start the daemon here and install the sample service
	scripts/run "$(STATE)"

.PHONY: dev
dev: bin/hearth bin/hearthd bin/hearth-registry ## Run the server with services that are played and the page with hot reload, without root
	scripts/dev "$(CURDIR)/.hearth-dev"

.PHONY: check
check: node_modules/.package-lock.json ## The fast checks, without root and browsers; what has not changed keeps its results
	scripts/test fast

.PHONY: test
test: sample deb .cache/python/.installed $(compilers)/node_modules/.package-lock.json ## All tests this machine can run
	scripts/test all

.PHONY: soak
soak: sample ## The chaos tests at full count
	HEARTH_SOAK=full scripts/test soak

.PHONY: lint
lint: node_modules/.package-lock.json ## Check formatting, vet and the contract's style
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w'; exit 1; }
	go vet ./...
	CGO_ENABLED=1 go vet ./server/cmd/hearth-lxc
	buf lint
	buf format -d --exit-code api/proto
	npm run check --silent --workspaces --if-present

	@$(MAKE) --no-print-directory breaking

.PHONY: check-layers
check-layers: node_modules/.package-lock.json .cache/python/.installed ## Check layer by layer what follows from the contract; stop at the first that does not fit
	@scripts/check-layers

.PHONY: breaking
breaking: node_modules/.package-lock.json ## Check that the contract breaks nobody who knows the frozen one
	buf breaking api/proto --against api/openapi/descriptor.binpb

.PHONY: freeze
freeze: node_modules/.package-lock.json ## Make the contract as it is now the one that must not be broken
	buf build api/proto --exclude-source-info -o api/openapi/descriptor.binpb

.PHONY: bench
bench: build ## First figures, as ratios against a baseline in the same run
	scripts/bench

.PHONY: bench-peer
bench-peer: build ## The sample package here and on StartOS, side by side, where PEER names a folder that boots one
	scripts/bench-peer

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	scripts/fuzz $(or $(FUZZTIME),30s)

.PHONY: compat
compat: build ## Run the public StartOS packages below PACKAGES_DIR
	server/compat/run "$(PACKAGES_DIR)"

.PHONY: graph
graph: ## Write docs/controllers.md: which controller reads and writes what
	go test ./server/internal/daemon -run TestGraph -update

.PHONY: clean-host
clean-host: ## Remove everything this instance made on the machine, and nothing else; data stays
	scripts/clean-host "$(STATE)"
