# make demo    fuses a pair with the bundled weights; PAIRS=DIR takes your own pairs (NAME-A, NAME-B)
# make test    lint (ruff, mypy) and tests; JOBS=4 runs so many at once (2)
# make test-long   what takes minutes: several devices and hosts, many damaged files
# make gpu-check   measures training on a GPU in twenty minutes, into $(OUT)-gpu; VOC=DIR trains, too
# make setup   the virtual environment alone; PYTHON=python3.12 chooses another Python (3.11 to 3.13)

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
OUT ?= demo
SCENE ?= motorcycle
JOBS ?= 2

.PHONY: setup demo test test-long lint format benchmark gpu-check clean

setup: $(VENV)/.ready

$(VENV)/.ready: $(wildcard requirements*.txt)
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; this is %d.%d: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

demo: setup
ifdef PAIRS
	@$(RUN) fuse.py -i "$(PAIRS)" -o $(OUT)/fused --panel --overwrite
	@$(RUN) evaluate.py --source "$(PAIRS)" --fused proposed=$(OUT)/fused -o $(OUT)/tables --overwrite
else
	@$(RUN) -m data.demo -o $(OUT) --scene $(SCENE)
	@$(RUN) fuse.py -i $(OUT)/pairs -o $(OUT)/fused --panel --overwrite
	@$(RUN) evaluate.py --source $(OUT)/pairs --fused proposed=$(OUT)/fused -o $(OUT)/tables --overwrite --reference $(OUT)/truth
endif
	@echo "Look at the pictures in $(OUT)/fused: NAME.png is the result, NAME-panel.png shows how it came about."

test: setup lint
	$(RUN) -m pytest -n $(JOBS) --dist loadfile

test-long: setup
	$(RUN) -m pytest -m long

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: setup
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

benchmark: setup
	@$(RUN) fuse.py --benchmark
	@$(RUN) -m metrics.benchmark

gpu-check: setup
	@$(RUN) -m model.measurements gpu-check -o $(OUT)-gpu $(if $(VOC),--voc "$(VOC)") $(if $(PAIRS),-i "$(PAIRS)") \
		$(if $(VGG19),--transfer "$(VGG19)")

clean:
	rm -rf $(VENV) $(OUT)
