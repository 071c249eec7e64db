# The two commands that do all the set-up: `make lenet5` and `make test`.

PYTHON ?= python3
VENV   := .venv
# What is installed for tests; check instead of test leaves out torch, and so what trains.
EXTRA  := test
RUN    := $(VENV)/bin/python

# Folder with the images.
DATA ?= $(or $(SPINCIM_DATA),data)

# Designs for long runs. What these keep is in the same folders, so they are built only when out of date.
DESIGNS := build/designs
OPTIONS_lenet5            := --layers lenet5
OPTIONS_lenet5_sequential := --layers lenet5 --schedule sequential
OPTIONS_lenet5_spinbayes  := --layers lenet5 --method spinbayes
OPTIONS_lenet5_4bit       := --layers lenet5_4bit --method spinbayes --crossbars 4 --ways 2
OPTIONS_lenet5_macro      := --layers lenet5 --view macro
OPTIONS_lenet5_spinbayes_macro := --layers lenet5 --method spinbayes --view macro
OPTIONS_lenet5_mtj        := --layers lenet5 --rng mtj --mtj-currents $(DESIGNS)/currents.json \
	--sources layer --protect

.DEFAULT_GOAL := lenet5
.PHONY: install lenet5 lenet5_wide test long bench results docs testset coverage randomness formal regress verification signoff mutation faults vendors clean

# All that the commands of the README need, into .venv.
install: $(VENV)/test

# ARGS are passed on, as in: make lenet5 ARGS="--passes 10 --synth ecp5"; FLAGS are Python's.
lenet5 lenet5_wide: $(VENV)/base
	$(RUN) $(FLAGS) -m gen.build --layers $@ $(ARGS)

# A test that hangs ends after 20 minutes, and what it did is said.
HANGS := -o faulthandler_timeout=1200 -o faulthandler_exit_on_timeout=true

test: $(VENV)/test
	$(VENV)/bin/ruff check
	$(RUN) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(HANGS) $(ARGS)

# Tests that take long, some ten seconds each and more.
long: $(VENV)/test
	$(LONG) -m long -q $(HANGS) $(ARGS)

# Long checks by pytest, on all cores. Words in ARGS choose blocks or families, as in: make formal
# ARGS="map_buffer arbiter"; those that begin with a dash are options of pytest, as in: make mutation ARGS=-n1.
LONG   := $(RUN) -m pytest -n auto --dist worksteal
space  := $() $()
names   = $(strip $(filter-out -%,$(ARGS)))
CHOSEN  = $(filter -%,$(ARGS)) $(if $(names),-k "[$(subst $(space), or [,$(names))")

# Random networks against the golden model; of a version, the same for the same SEED. Results of these, and of
# proofs, are kept in build/verification until any code changes, so that what was stopped goes on.
CASES ?= 500
SEED  ?= 1
regress: $(VENV)/test
	$(LONG) tests/regress -m regress --cases $(CASES) --seed $(SEED) $(ARGS)

# Whether the tests of each block fail when its netlist is wrong. Results are kept in
# build/verification/mutation, until something changes that they follow from.
mutation: $(VENV)/test
	$(LONG) tests/mutation -m mutation -v $(CHOSEN)

# Simulated images per second, seconds of a build, and predictions of the golden model per second; figures vary
# with the machine.
bench: $(VENV)/test
	$(RUN) -m bench.speed
	$(RUN) -m bench.predictions

# docs/results.md: all figures. What was measured is kept in build/results, and only what is missing is run; with
# ARGS=--again all of it, with ARGS=--synth place and route too. Without DATA, what needs images is not run.
results: $(VENV)/test
	$(RUN) -m bench.results $(if $(wildcard $(DATA)),--data $(DATA)) $(ARGS)

# The site of docs/, to build/site; a warning is an error.
docs: $(VENV)/docs
	$(RUN) -m mkdocs build --strict $(ARGS)

# Every test image of MNIST through the Verilog at T = 20, and of sets that it has not learnt; five hundred
# with SpinBayes; some with arrays at the pins, and some with levels of four bits and the mean of two arrays.
# What was simulated is kept: a second call goes on.
testset: $(foreach design,lenet5 lenet5_spinbayes lenet5_macro lenet5_spinbayes_macro lenet5_4bit,\
		$(DESIGNS)/$(design)/manifest.json)
	$(RUN) -m sim.run $(DESIGNS)/lenet5 --images 10000 --outside all --data $(DATA) \
		--verification build/verification/run_lenet5.json
	$(RUN) -m sim.run $(DESIGNS)/lenet5_spinbayes --images 500 --data $(DATA) \
		--verification build/verification/run_lenet5_spinbayes.json
	$(RUN) -m sim.run $(DESIGNS)/lenet5_macro --images 1000 --data $(DATA) \
		--verification build/verification/run_lenet5_macro.json
	$(RUN) -m sim.run $(DESIGNS)/lenet5_spinbayes_macro --images 100 --data $(DATA) \
		--verification build/verification/run_lenet5_spinbayes_macro.json
	$(RUN) -m sim.run $(DESIGNS)/lenet5_4bit --images 20 --data $(DATA)

# Lines, branches and toggles of each block that simulation covers, over these designs.
COVERED := $(addprefix $(DESIGNS)/,lenet5 lenet5_sequential lenet5_spinbayes lenet5_mtj)
coverage: $(addsuffix /manifest.json,$(COVERED))
	$(RUN) -m sim.coverage_study $(COVERED) --json build/verification/coverage.json

# Statistical tests of the random bits and of what comes of them, and what faulty sources do:
# build/verification/randomness.json. Where there is no DATA, with the 1,000 images of the project alone.
randomness: $(VENV)/test
	$(RUN) -m sim.randomness $(if $(wildcard $(DATA)),--data $(DATA)) $(ARGS)

# Proofs about the blocks, some 15 minutes on two cores.
formal: $(VENV)/test
	$(LONG) tests/formal -m formal -v $(CHOSEN)

# What becomes of flipped bits, so many of each class, with and without protection; fewer with SpinBayes,
# which has ten times the cycles.
FAULTS           ?= 300
FAULTS_SPINBAYES ?= 60
faults: $(VENV)/test
	$(RUN) -m pytest tests/faults -m faults -v -s --flips $(FAULTS) --flips-spinbayes $(FAULTS_SPINBAYES) \
		--seed $(SEED) $(ARGS)

# Whether Yosys maps LeNet-5 to chips other than the ECP5: iCE40, Gowin and Xilinx 7.
vendors: $(VENV)/test
	$(RUN) -m pytest tests/vendors -m vendors -v -s $(CHOSEN)

# VERIFICATION.md, of what the targets above have found; and all of them first, which takes hours and goes on
# after one that fails.
verification: $(VENV)/test
	$(RUN) -m sim.verification

signoff:
	failed=; for target in long testset coverage regress formal mutation randomness faults verification; do \
		$(MAKE) $$target || failed="$$failed $$target"; done; \
	test -z "$$failed" || { echo "signoff: failed:$$failed" >&2; exit 1; }

clean:
	rm -rf $(VENV) build

$(VENV)/base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make PYTHON=python3.13" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[synth]'
	touch $@

$(VENV)/test: $(VENV)/base
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[$(EXTRA)]'
	touch $@

$(VENV)/docs: $(VENV)/base
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[docs]'
	touch $@

$(DESIGNS)/%/manifest.json: $(wildcard gen/*.py gen/transforms/*.py gen/checkpoints/* hdl/*.py hdl/*/*.py) $(VENV)/test
	$(RUN) -m gen.build $(OPTIONS_$*) --out $(DESIGNS)/$*

$(DESIGNS)/lenet5_mtj/manifest.json: $(DESIGNS)/currents.json

$(DESIGNS)/currents.json: $(wildcard gen/checkpoints/*) golden/currents.py golden/device/junction.py $(VENV)/test
	mkdir -p $(DESIGNS)
	$(RUN) -m golden.currents lenet5 --json $@
