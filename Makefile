# make demo   the main job on the texts that come with the project
# make test   every test
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(BIN)/pet-keras demo

test: $(VENV)/.extras
	$(BIN)/python -m pytest tests

$(VENV)/.installed: requirements.txt setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.extras: $(VENV)/.installed requirements-extras.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-extras.txt
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache
