# The commands of the house. `make help` lists them; each step prints its name and its seconds.
# V=1 shows what a step prints. ARGS="..." is passed on by run, bench, soak, chaos and mutants.
SHELL := bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

STEP := tools/step
TOOL := go tool -modfile=tools/go.mod
LINT := $(TOOL) golangci-lint run --timeout 10m --allow-parallel-runners --show-stats=false
# Two test binaries at a time share one PostgreSQL without queueing for its connections.
P ?= 2

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# --- using it ---------------------------------------------------------------------------------

.PHONY: run
run: ## build and start everything: API, workers, pages and a private PostgreSQL
	@echo "building bin/eggapi (the first time takes a minute or two)"
	@go build -o bin/eggapi ./cmd/eggapi
	@exec bin/eggapi dev $(ARGS)

.PHONY: build
build: ## build bin/eggapi
	@$(STEP) "build bin/eggapi" go build -o bin/eggapi ./cmd/eggapi

# --- changing it ------------------------------------------------------------------------------

.PHONY: setup
setup: node-tools node-web ## fetch everything that building and testing needs
	@$(STEP) "Go modules" go mod download
	@$(STEP) "Go modules of the tools" go mod download -modfile=tools/go.mod
	@tools/setup

.PHONY: generate generate-contract generate-api generate-db generate-web generate-docs
generate: generate-docs generate-db ## make gen/ from openapi/, sql/, queries/, web/ and docs/
generate-contract: node-tools
	@$(STEP) "bundle the contract" tools/generate contract
generate-api: generate-contract
	@$(STEP) "server and client from the contract" tools/generate api
generate-db:
	@$(STEP) "queries and constraint names" tools/generate db
generate-web: generate-api
	@$(STEP) "pages" tools/generate web
generate-docs: generate-web contract-changelog
	@$(STEP) "documentation" tools/generate docs

.PHONY: contract contract-changelog contract-release
contract: contract-changelog verify-contract ## hold openapi/ to the rules and to what was released, and write its changelog
contract-changelog: generate-contract
	@$(STEP) "changelog of the contract" go -C tools run ./contract changelog -root ..
contract-release: contract ## keep the contract under its version, as what clients are promised
	@go -C tools run ./contract release -root ..
	@$(MAKE) generate-docs

.PHONY: fmt
fmt: ## format the Go code
	@$(STEP) "format" $(TOOL) golangci-lint fmt
	@cd tools && ./step "format the tools" go tool golangci-lint fmt

.PHONY: lint
lint: ## lint the Go code
	@$(STEP) "lint" $(LINT) ./...
	@cd tools && ./step "lint the tools" $(subst -modfile=tools/go.mod ,,$(LINT)) ./...

# --- proving it -------------------------------------------------------------------------------

# Each part can fail alone: `make -k verify` goes on and shows all that is wrong.
.PHONY: verify verify-gen verify-sql verify-contract verify-modules verify-vet verify-laws verify-tools
verify: verify-gen verify-contract verify-sql verify-modules verify-vet lint verify-laws verify-tools ## everything that needs no database: derived files, contract, queries, lint, laws
verify-gen: node-tools
	@$(STEP) "gen/ is what the tools make" tools/fresh
verify-contract: node-tools
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
	$(STEP) "lint the contract" tools/node_modules/.bin/redocly lint eggapi --format=stylish
	@$(STEP) "house rules and promises of the contract" go -C tools run ./contract check -root ..
verify-sql:
	@$(STEP) "sqlc diff" $(TOOL) sqlc diff
	@$(STEP) "query rules" $(TOOL) sqlc vet --file sqlc.vet.yaml
verify-modules:
	@$(STEP) "go.mod is tidy" go mod tidy -diff
	@$(STEP) "tools/go.mod is tidy" go -C tools mod tidy -diff
verify-vet:
	@$(STEP) "go vet" go vet -tags=system ./...
verify-laws:
	@$(STEP) "laws of the house" go -C tools run ./check -root ..
verify-tools:
	@$(STEP) "tests of the tools" go -C tools test -count=1 ./...

.PHONY: test test-go test-pages
test: test-go test-pages ## every Go test and the unit tests of the pages
test-go:
	@tools/gotest -shuffle=on -timeout 15m -p $(P) ./...
test-pages: node-web
	@if [ -e web/package.json ]; then $(STEP) "unit tests of the pages" npm --prefix web test; fi

.PHONY: test-system
test-system: node-web tools/betterauth/node_modules/.installed build ## tests that need system packages: whole processes, short chaos, the pages in Chromium
	@tools/gotest -tags=system -run 'System|Chaos' -short -count=1 -timeout 20m -p 1 $(ARGS) SYSTEM

.PHONY: chaos
chaos: build ## kill processes and the database at random for a minute; nothing may be lost
	@go test -race -tags=system -run Chaos -count=1 -timeout 20m -v $(ARGS) ./internal/chaos

.PHONY: bench
bench: build ## measure speed, latency, overload, idleness and memory against yardsticks; EGGAPI_BENCH_ONLY chooses
	@go test -tags=system -run TestBench -count=1 -timeout 60m -v ./internal/bench $(ARGS)

.PHONY: soak
soak: build ## an hour of orders at a steady rate; the second half must be as fast as the first
	@go test -tags=system -run TestSoak -count=1 -timeout 26h -v ./internal/bench $(ARGS)

.PHONY: bench-growth
bench-growth: ## measure each list, lookup and sweep among few tasks and among many; EGGAPI_GROWTH_ROWS=10000000 for ten million
	@go test -tags=system -run TestGrowth -count=1 -timeout 60m -v $(ARGS) ./internal/bench

.PHONY: fuzz-contract second-opinion
fuzz-contract: build ## walk the contract at random, as a key, a session and nobody; ARGS="--minutes 120" for hours
	@tools/fuzz/run $(ARGS)
second-opinion: build ## have another validator judge what the tests and the fuzzing of the contract exchanged
	@mkdir -p tools/.stamps && rm -f tools/.stamps/*.ndjson
	@$(STEP) "record the tests" env EGGAPI_RECORD=$(CURDIR)/tools/.stamps/tests.ndjson go test -count=1 ./handlers
	@$(STEP) "record the fuzzing" env EGGAPI_FUZZ_RECORD=$(CURDIR)/tools/.stamps/fuzz.ndjson tools/fuzz/run
	@go -C tools run ./secondopinion -contract ../gen/openapi.yaml .stamps/tests.ndjson .stamps/fuzz.ndjson

.PHONY: mutants
mutants: ## break the code on purpose, one place at a time; the tests must notice each
	@go -C tools run ./mutants -root .. $(ARGS)

.PHONY: clean
clean: ## remove what was built; gen/ and .data/ stay
	@rm -rf bin tools/.stamps tools/node_modules tools/betterauth/node_modules web/node_modules tools/clients/*/target tools/clients/*/node_modules tools/fuzz/.venv

# --- parts ------------------------------------------------------------------------------------

.PHONY: node-tools node-web
node-tools: tools/node_modules/.installed
node-web: $(if $(wildcard web/package.json),web/node_modules/.installed)

%/node_modules/.installed: %/package.json %/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20.19 or later" >&2; exit 1; }
	@$(STEP) "npm ci in $*" npm --prefix $* ci --no-audit --no-fund
	@touch $@
