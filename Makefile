# `make` lists what there is. All of it works from the repository's root.
.DEFAULT_GOAL := help
.PHONY: help build run test bench profile bench-proxy bench-learned bench-auth bench-retrieval bench-growth leaks obfuscation lint soak fuzz clean setup setup-openvino eval train

FUZZ_SECONDS ?= 60

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## set up, build and start the gateway on http://127.0.0.1:8080
	@scripts/run.sh

test: ## set up, build once, and run every test (what CI runs)
	@scripts/test.sh

build: setup ## the release binary: .build/release/sallyport
	@scripts/build.sh

bench: bench-proxy bench-learned ## all benchmarks: the proxy, then the detectors

bench-proxy: ## compare with nginx and with no proxy at all, on this machine
	@scripts/setup.sh base bench
	@scripts/build.sh
	@python3 Benchmarks/bench.py

profile: ## count anew what code a request runs: the build lays it out by that (Benchmarks/gateway.profdata)
	@scripts/setup.sh base bench
	@scripts/profile.sh

bench-learned: ## what detectors cost, beside other pattern scanners, and the guarded gateway by length and callers
	@scripts/setup.sh base bench tests openvino
	@scripts/build.sh
	@.deps/venv/bin/python Benchmarks/detectors.py
	@python3 Benchmarks/learned.py
	@training/environment.sh requirements-eval.txt
	@.deps/training/bin/python Benchmarks/floor.py

bench-retrieval: ## finding and answering on question sets, words and vectors alone and together: make bench-retrieval DATA=folder
	@test -d "$(DATA)" || { echo "say where the questions are: make bench-retrieval DATA=folder"; exit 2; }
	@scripts/setup.sh base openvino
	@scripts/build.sh
	@python3 Benchmarks/retrieval.py "$(DATA)"

bench-growth: ## the document index from 1,000 to 1,000,000 chunks: make bench-growth DATA=folder
	@test -d "$(DATA)" || { echo "say where the texts are: make bench-growth DATA=folder"; exit 2; }
	@scripts/setup.sh base openvino
	@scripts/build.sh --build-tests
	@python3 Benchmarks/growth.py "$(DATA)"

leaks: ## what a reader could learn of documents of others: 10,000 hostile queries, 10,000 pairs of timings
	@scripts/setup.sh base
	@scripts/build.sh --build-tests
	@LEAK_QUERIES=10000 swift test -c release --skip-build --filter LeakTests

bench-auth: ## who is calling and may he: microseconds a request; 100,000 keys and people, 10,000 role assignments
	@scripts/setup.sh base tests
	@scripts/build.sh --build-tests
	@.deps/venv/bin/python Benchmarks/access.py

obfuscation: ## attacks under each obfuscation, found or not: make obfuscation DATA=folder
	@test -d "$(DATA)" || { echo "say where the rows are: make obfuscation DATA=folder"; exit 2; }
	@python3 scripts/obfuscation.py "$(DATA)" --out docs/obfuscation.md

lint: ## swift-format, strict
	@swift format lint --strict --recursive Sources Tests Package.swift

soak: ## the long tests: 200 kills under load, memory over ten minutes
	@scripts/setup.sh base tests
	@scripts/build.sh
	@cd Tests/EndToEnd && SOAK=1 ../../.deps/venv/bin/python -m pytest -q -k "soak or kill"

fuzz: ## libFuzzer on every parser that reads bytes from outside, FUZZ_SECONDS (60) each
	@scripts/setup.sh base
	@scripts/build.sh
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh

setup: ## install what is missing
	@scripts/setup.sh base tests

setup-openvino: ## fetch the inference runtime into .deps/openvino
	@scripts/setup.sh openvino

eval: ## the detectors' table on labelled rows: make eval DATA=folder [SAMPLE=rows of each source, label and kind]
	@test -d "$(DATA)" || { echo "say where the rows are: make eval DATA=folder"; exit 2; }
	@training/environment.sh requirements-eval.txt
	@.deps/training/bin/python training/evaluate.py --data "$(DATA)" --models Models --out var/evaluation.md --kept var/kept --sample "$(or $(SAMPLE),0)"

train: ## train the detectors anew into ./Models: make train DATA=folder
	@test -d "$(DATA)" || { echo "say where the rows are: make train DATA=folder"; exit 2; }
	@training/environment.sh requirements.txt
	@training/train_all.sh "$(DATA)" Models

clean: ## remove what the build made; data in ./var stays
	@rm -rf .build Benchmarks/.build
