# What a person types. Each target says what it needs and gets it itself.

SHELL  := /bin/bash
GO     ?= go
DENO   := node_modules/.package-lock.json
STATIC := CGO_ENABLED=0

.PHONY: all build deno demo test proof lint race deb systemtest bench clean

all: build

build: ## bin/denofn and its helper, static
	$(STATIC) $(GO) build -trimpath -o bin/ ./cmd/denofn ./cmd/denofn-sandbox

deno: $(DENO) ## the Deno that package.json pins, into node_modules

$(DENO): package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

demo: build deno ## push a sample function with real git and call it
	@contrib/need ssh:openssh-client curl:curl
	@contrib/demo/run

test: deno ## every test that needs no root; the last line counts them
	@contrib/need ssh:openssh-client
	$(GO) vet ./...
	@set -o pipefail; $(GO) test -json ./... | $(GO) run ./contrib/testsummary

proof: deno ## the long tests, tagged proof, and those that need other programs; CI runs them
	@contrib/need ssh:openssh-client ssh-audit:ssh-audit
	@/usr/bin/python3 -c 'import pygit2, dulwich' 2> /dev/null || contrib/need libgit2:python3-pygit2 dulwich:python3-dulwich # no programs: always missing
	@set -o pipefail; $(GO) test -tags proof -timeout 30m -run '^TestProof' -json ./... | $(GO) run ./contrib/testsummary

race: deno
	$(GO) test -race ./...

lint: deno ## Go and TypeScript: form, and what can be seen without running it
	@test -z "$$(gofmt -s -l $$(git ls-files '*.go'))" || { echo "gofmt -s -w is needed:"; gofmt -s -l $$(git ls-files '*.go'); exit 1; }
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	cd micro && ../node_modules/@deno/linux-*/deno fmt --check --quiet && ../node_modules/@deno/linux-*/deno lint --quiet && ../node_modules/@deno/linux-*/deno check --quiet --no-lock --doc *.ts

deb: ## dist/denofn_VERSION_ARCH.deb for this machine; packaging/build makes others
	packaging/build

systemtest: ## the package in a booted container and a virtual machine; needs root, see packaging/systemtest/run
	packaging/systemtest/run

bench: build deno ## the numbers of contrib/bench, against their peers in the same run
	$(GO) run ./contrib/bench

clean:
	rm -rf bin dist .demo
