# make demo   the main job on the texts that come with the project
# make test   every test
# make bench  speed and memory beside plain bert4keras and PyTorch
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test bench clean

demo: $(VENV)/.installed
	$(BIN)/pet-keras demo

test: $(VENV)/.extras
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder tests

bench: $(VENV)/.extras $(VENV)-bench/.installed
	$(BIN)/python benchmarks/speed/run.py --torch $(VENV)-bench/bin/python

$(VENV)-bench/.installed: requirements-bench.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet -r requirements-bench.txt
	touch $@

$(VENV)/.installed: requirements.txt setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.extras: $(VENV)/.installed requirements-extras.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-extras.txt
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench build dist *.egg-info .pytest_cache
