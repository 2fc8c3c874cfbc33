# Everything that is done with this repository; `make help` lists it.
# What a target needs it builds or fetches itself; only Go and make have to be there.

MODULES  := devstack e2e gateway inventory-service notification-service order-service shared-kit shared-proto
PROGRAMS := devstack gateway inventory-service notification-service order-service
ARGS     ?=

.DEFAULT_GOAL := help
.PHONY: help run build test unit fuzz e2e lint generate clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build and run the whole system; ARGS=--fresh starts without data, ARGS=--kafka=apache on Apache Kafka
	@bin/devstack run $(ARGS)

build: ## Build the services and the local stack into bin/
	@echo "building $(PROGRAMS) into bin/ (the first time takes minutes)"
	@go build -o bin/ $(addprefix ./,$(PROGRAMS))

test: ## Check everything: lint, vet, generated code, all tests with the race detector
	@tools/check

unit: ## Run the tests of all modules but the end-to-end ones
	@tools/check unit

fuzz: ## Run every fuzz target for 20 s; FUZZTIME=5m for longer
	@tools/check fuzz

e2e: ## Run the end-to-end tests on real processes
	@tools/check e2e

lint: ## Check style, versions and contracts, without running a test
	@tools/check versions contracts lint

generate: ## Write the generated code again, after a change of a contract
	@tools/check generate

clean: ## Delete what was built; data of the local stack stays (ARGS=--fresh deletes it at the next run)
	rm -rf bin .tools
