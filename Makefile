# The two commands that do all the set-up: `make lenet5` and `make test`.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.DEFAULT_GOAL := lenet5
.PHONY: lenet5 lenet5_wide test bench randomness clean

# ARGS are passed on, as in: make lenet5 ARGS="--passes 10 --synth ecp5"; FLAGS are Python's.
lenet5 lenet5_wide: $(VENV)/base
	$(RUN) $(FLAGS) -m gen.build --layers $@ $(ARGS)

test: $(VENV)/test
	$(VENV)/bin/ruff check
	$(RUN) -m pytest -q -n 2 --dist loadfile $(ARGS)

# Simulated images per second, and seconds of a build; figures vary with the machine.
bench: $(VENV)/test
	$(RUN) -m bench.speed

# Statistical tests of the random bits and of what comes of them, and what faulty sources do:
# build/verification/randomness.json. ARGS="--data DIR" for all images, and those of Fashion-MNIST.
randomness: $(VENV)/test
	$(RUN) -m sim.randomness $(ARGS)

clean:
	rm -rf $(VENV) build

$(VENV)/base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[synth]'
	touch $@

$(VENV)/test: $(VENV)/base
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[test]'
	touch $@
