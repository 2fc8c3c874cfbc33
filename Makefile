# Everything that is done with this repository; `make help` lists it.
# What a target needs it builds or fetches itself; only Go and make have to be there.

MODULES  := auditor devstack e2e gateway inventory-service notification-service order-service shared-kit shared-proto
PROGRAMS := auditor devstack gateway inventory-service notification-service order-service
ARGS     ?=
DURATION ?= 5s
KAFKA    ?= auto
SEED     ?=

.DEFAULT_GOAL := help
.PHONY: help run build audit test unit fuzz e2e kafka postman bench faults lint generate clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build and run the whole system; ARGS=--fresh starts without data, ARGS=--kafka=apache on Apache Kafka
	@bin/devstack run $(ARGS)

build: ## Build the services and the local stack into bin/
	@echo "building $(PROGRAMS) into bin/ (the first time takes minutes)"
	@go build -o bin/ $(addprefix ./,$(PROGRAMS))

audit: ## Check that the running local stack adds up; ARGS="--all --journal-age 5m" is passed on
	@go build -o bin/ ./auditor
	@bin/auditor --stack .devstack/stack.json $(ARGS)

test: ## Check everything: lint, vet, generated code, all tests with the race detector
	@tools/check

unit: ## Run the tests of all modules but the end-to-end ones
	@tools/check unit

fuzz: ## Run every fuzz target for 20 s; FUZZTIME=5m for longer
	@tools/check fuzz

e2e: ## Run the end-to-end tests on real processes
	@tools/check e2e

kafka: ## Run the end-to-end tests that run on Apache Kafka itself, of one node and of three; needs java and mvn
	@tools/check kafka

bench: build ## Measure the system, about three minutes; DURATION=10s for each load, KAFKA=embedded|apache|both, ARGS="--json FILE --compare FILE --profile FOLDER"
	@go build -o bin/ ./e2e/cmd/bench
	@bin/bench --commit "$$(git describe --always --dirty 2>/dev/null)" --duration $(DURATION) --kafka $(KAFKA) $(ARGS)

faults: build ## Shoot at the system for three minutes, and see that it keeps its word; DURATION=1h, SEED=7, KAFKA=apache (or apache3: three nodes), ARGS="--only kill,freeze:kafka"
	@go build -o bin/ ./e2e/cmd/faults
	@bin/faults --duration $(if $(filter file,$(origin DURATION)),3m,$(DURATION)) --kafka $(if $(filter auto,$(KAFKA)),embedded,$(KAFKA)) --seed "$(SEED)" --out .faults $(ARGS)

postman: ## Run the Postman collection, twice and through an outage; `postman/run http://localhost:9000` runs it against what is there
	@tools/check postman

lint: ## Check style, versions and contracts, without running a test
	@tools/check versions contracts lint

generate: ## Write the generated code again, after a change of a contract
	@tools/check generate

clean: ## Delete what was built; data of the local stack stays (ARGS=--fresh deletes it at the next run)
	rm -rf bin .tools postman/node_modules
