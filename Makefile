# Everything that can be done here: make install demo serve test lint format (CI calls the same).
# Debian 12 or newer with Python 3.11+ and make is enough; nothing needs root or Docker.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PACKAGES := shared services/gateway services/preprocessor services/inference services/trainer \
            services/standalone
MANIFESTS := constraints.txt dev-requirements.txt $(PACKAGES:%=%/pyproject.toml)
DEMO_MEDIA := .cache/demo
VIDEO ?= $(DEMO_MEDIA)/astronaut_real.mp4 $(DEMO_MEDIA)/astronaut_fake.mp4

.PHONY: install demo serve test lint format
.DEFAULT_GOAL := install

install: $(VENV)/installed

# torch goes first: alone it resolves to the build of the pinned version that the machine offers.
$(VENV)/installed: $(MANIFESTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r dev-requirements.txt \
	    -e "shared[vision,model]" $(foreach package,$(filter services/%,$(PACKAGES)),-e $(package))
	touch $@

demo: install $(DEMO_MEDIA)/done
	$(BIN)/python -m unmask_standalone demo --die-with-parent $(VIDEO)

$(DEMO_MEDIA)/done: $(VENV)/installed services/trainer/unmask_trainer/demo_media.py
	mkdir -p $(DEMO_MEDIA)
	$(BIN)/python -m unmask_trainer demo-media $(DEMO_MEDIA)
	touch $@

serve: install
	$(BIN)/python -m unmask_standalone serve --die-with-parent

test: install
	$(BIN)/python -m pytest -q -m "not compose"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports --no-cache

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
