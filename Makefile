# Everything that can be done here: make install demo serve lint format test test-browser chaos fuzz load audit
# bench (CI calls the same).
# Debian 12 or newer with Python 3.11+ and make is enough; nothing needs root or Docker.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PACKAGES := shared services/gateway services/preprocessor services/inference services/trainer \
            services/standalone client
MANIFESTS := constraints.txt dev-requirements.txt $(PACKAGES:%=%/pyproject.toml)
DEMO_MEDIA := .cache/demo
COMPOSE ?= docker compose
SEED ?= 1
COUNT ?= 500
VIDEO ?= $(DEMO_MEDIA)/astronaut_real.mp4 $(DEMO_MEDIA)/astronaut_fake.mp4

.PHONY: install demo serve lint format test test-api test-browser chaos fuzz load audit bench default-checkpoint
.PHONY: compose-build compose-up compose-down test-compose
.DEFAULT_GOAL := install

install: $(VENV)/installed

# torch goes first: alone it resolves to the build of the pinned version that the machine offers.
$(VENV)/installed: $(MANIFESTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r dev-requirements.txt \
	    -e "shared[vision,model,tracing]" $(foreach package,$(filter-out shared,$(PACKAGES)),-e $(package))
	touch $@

demo: install $(DEMO_MEDIA)/done
	$(BIN)/python -m unmask_standalone demo --die-with-parent $(VIDEO)

$(DEMO_MEDIA)/done: $(VENV)/installed services/trainer/unmask_trainer/demo_media.py
	mkdir -p $(DEMO_MEDIA)
	$(BIN)/python -m unmask_trainer demo-media $(DEMO_MEDIA)
	touch $@

serve: install
	$(BIN)/python -m unmask_standalone serve --die-with-parent

# A process for each core, but few: each starts a Valkey, a SeaweedFS and stacks of its own. Threads that wait for
# each other must not spin on cores that other tests want.
TEST_PROCESSES ?= 4
test: install
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -n logical --maxprocesses $(TEST_PROCESSES) \
	    --dist worksteal -m "not compose and not browser"

# The web page in Debian's chromium: apt-get install chromium. With BROWSER_LATENCY_MS=600, tests that read
# before the page has its answers fail for certain.
test-browser: install
	$(BIN)/python -m pytest -q -m browser tests/browser

# Minutes of generated requests against the API's description; SEED=2 sends others.
test-api: install
	UNMASK_TEST_API_EXAMPLES=$(or $(EXAMPLES),300) UNMASK_TEST_API_SEED=$(or $(SEED),1) \
	    $(BIN)/python -m pytest -q tests/contract/test_openapi_holds.py

# 200 videos through a stack that keeps breaking; what breaks comes from the seed.
CHAOS_VIDEOS ?= 200
CHAOS_SEED ?= 1
chaos: install
	PYTHONPATH=tests/assets $(BIN)/python tests/chaos --videos $(CHAOS_VIDEOS) --seed $(CHAOS_SEED)

# Fifty clients for ten minutes: docs/benchmarks.md has what came of it.
load: install
	$(BIN)/python bench/load.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports --no-cache

bench: install
	$(BIN)/python bench/preprocessing.py
	$(BIN)/python bench/engines.py
	$(BIN)/python bench/inference.py
	$(BIN)/python bench/end_to_end.py
	PYTHONPATH=tests/assets $(BIN)/python bench/gateway.py
	$(BIN)/python bench/page.py

# From MATERIAL=DIR to models/default, in hours: see docs/training.md.
default-checkpoint: install
	$(MAKE) -f experiments/default.mk PYTHON=$(BIN)/python

# Videos changed at random, over HTTP to their end; another SEED, other videos.
fuzz: install
	UNMASK_FUZZ_SEED=$(SEED) UNMASK_FUZZ_COUNT=$(COUNT) $(BIN)/python -m pytest -q tests/reliability/test_fuzzed_videos.py

# Asks PyPI's advisory database about every pin, so it needs the internet; an environment of its own,
# since what audits should not be among what is audited.
audit:
	test -x .cache/audit/bin/pip-audit || $(PYTHON) -m venv .cache/audit
	.cache/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.cache/audit/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Random secrets, made once: an existing .env is never touched.
.env:
	@umask 077 && $(PYTHON) -c 'import re, secrets, sys; sys.stdout.write(re.sub("(?m)^\\w+=$$", lambda line: line[0] + secrets.token_hex(24), sys.stdin.read()))' <.env.example >$@

compose-build: .env
	$(COMPOSE) build

compose-up: compose-build
	$(COMPOSE) up --detach --wait

compose-down: .env
	$(COMPOSE) down

test-compose: install compose-build
	COMPOSE="$(COMPOSE)" $(BIN)/python -m pytest -q -m compose tests/e2e/test_compose.py
