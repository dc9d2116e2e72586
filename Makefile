# Everything a developer runs. `make test` is the command of the README and of CI.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
# Members of the accuracy ensemble, where `make artifacts` leaves them; trained first if missing.
MEMBERS ?= build/export/compact/accuracy
# The folder of published measurements, which are not part of the repository: CONTRIBUTING.md.
ANB_SHARED ?= ../shared/data
DATASET ?= $(ANB_SHARED)/anb_dataset_jsons.tar.gz

.PHONY: test lint wheel check-wheel release check-oldest check-oldest-export check-study check-configspace kill-points mutants artifacts spaces truth notebooks docs bench clean

$(VENV)/.ready: pyproject.toml export/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]" --editable "export[lightgbm,skops]"
	touch $@

# Tests of the exporter in which none of its libraries takes part: for them one set of versions does.
OWN = dataset fetch files fuzz_models hostile_models kill_points markdown metrics pickled_budget \
	pickled_names safe_pickle scratch split_command splits targets workers

# Two processes: numba and xgboost leave little to gain from more on small machines.
test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Wheels and sdists of all distributions, built twice: the bytes must be the same.
wheel: $(VENV)/.ready
	$(BIN)/python tests/wheel/release.py --out dist

# The runtime as a user gets it: the wheel, and what pip builds of the sdist, each alone in a fresh
# environment outside the checkout; then the wheel with that of further catalogs.
check-wheel: wheel
	PYTHON=$(PYTHON) tests/wheel/check.sh dist/anb_onnx-*.whl
	PYTHON=$(PYTHON) tests/wheel/check.sh dist/anb_onnx-*.tar.gz
	PYTHON=$(PYTHON) tests/wheel/check.sh dist/anb_onnx-*.whl dist/anb_onnx_spaces-*.whl

# All that is checked of a release before it is uploaded: CONTRIBUTING.md. Nothing is uploaded here.
release: check-wheel
	$(PYTHON) -m venv $(VENV)-release
	$(VENV)-release/bin/python -m pip install --quiet "twine>=5" "cffconvert>=2" "pre-commit>=3"
	$(VENV)-release/bin/twine check --strict dist/*
	$(VENV)-release/bin/cffconvert --validate
	$(VENV)-release/bin/pre-commit validate-config
	sha256sum dist/*

# The tests of the runtime on the oldest versions it states (Python 3.11), without the exporter, Ray
# and what the extra `integrations` installs; clients in other languages meet no other versions there, and what the
# pages show is of today. Nor do the longest tests of what no library takes part in: exact fronts, graphs as bytes.
check-oldest:
	$(PYTHON) -m venv --clear $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --editable ".[test]" --constraint constraints/oldest.txt
	ANB_WITHOUT=integrations,$(ANB_WITHOUT) $(VENV)-oldest/bin/python -m pytest -n 2 tests --ignore=tests/wheel --ignore=tests/test_packaging.py --ignore=tests/test_release_files.py \
		$(addprefix --ignore=,$(wildcard tests/test_cpp*.py)) --ignore=tests/test_js.py --ignore=tests/test_web.py \
		--ignore=tests/test_recipes.py --ignore=tests/test_docs_snippets.py \
		$(addprefix --ignore=tests/test_,$(addsuffix .py,exact_several exact_determinism exact_page graph)) \
		-k "not in_cpp and not in_javascript"

# The tests of the exporter that meet its libraries, on the oldest versions that it states.
check-oldest-export:
	$(PYTHON) -m venv --clear $(VENV)-oldest-export
	$(VENV)-oldest-export/bin/python -m pip install --quiet --editable ".[test]" --editable "export[lightgbm,skops]" \
		--constraint constraints/oldest-export.txt
	ANB_WITHOUT=integrations,$(ANB_WITHOUT) $(VENV)-oldest-export/bin/python -m pytest -n 2 tests/export $(addprefix --ignore=tests/export/test_,$(addsuffix .py,$(OWN)))

# The predictors with NGBoost, in an environment of its own: it holds scikit-learn and pandas back, which
# all other tests meet as new as they are.
check-study:
	$(PYTHON) -m venv --clear $(VENV)-study
	$(VENV)-study/bin/python -m pip install --quiet --editable . --editable "export[study]" pytest hypothesis
	ANB_WITH=ngboost $(VENV)-study/bin/python -m pytest -q -k ngboost tests/export/test_predictors_classic.py tests/export/test_predictor_kinds.py

# Configurations of the releases of ConfigSpace that users have, each in an environment of its own:
# the reference pins the first. What was built for NumPy 1 needs it.
CONFIGSPACES ?= 0.6.1 0.7.1 newest
check-configspace:
	for version in $(CONFIGSPACES); do \
		case $$version in newest) wanted="ConfigSpace" ;; *) wanted="ConfigSpace==$$version numpy<2" ;; esac; \
		$(PYTHON) -m venv --clear $(VENV)-configspace && \
		$(VENV)-configspace/bin/python -m pip install --quiet --editable . pytest $$wanted && \
		ANB_CONFIGSPACE=$$version $(VENV)-configspace/bin/python -m pytest -q --noconftest -c /dev/null \
			--rootdir=. tests/configspace_versions || exit 1; \
	done

# Ends train, import, convert, compile and build at every point at which they touch a file.
kill-points: $(VENV)/.ready
	$(BIN)/python tests/kill_points.py

# Which changes of the code the tests do not notice; `make mutants MODULES=anb_onnx/links.py COUNT=0`
# tries all of one module.
COUNT ?= 40
mutants: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --editable ".[mutation]"
	$(BIN)/python tests/mutation.py --count $(COUNT) $(MODULES)

artifacts: $(VENV)/.ready
	$(BIN)/anb-export build --dataset $(DATASET) --out artifacts/accel-nasbench

# Catalogs of other search spaces, from the published measurements in this folder.
SPACES_DATA ?= $(ANB_SHARED)/seeds
spaces: $(VENV)/.ready
	$(BIN)/anb-export spaces --data $(SPACES_DATA) --out spaces/anb_onnx_spaces/artifacts

# What is proven of the bundled artifacts: an hour on 2 cores, resumable.
truth: $(VENV)/.ready
	$(BIN)/anb-export truth --out artifacts/accel-nasbench

# Executes examples/notebooks in full, ten minutes, and writes them, their figures and tables back.
notebooks: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet "nbclient>=0.10" "ipykernel>=6.29"
	$(BIN)/python examples/notebooks/run_notebooks.py

# The documentation site, into build/docs; warnings are errors, and the tutorial is executed (in small;
# ANB_NOTEBOOK=full as a site is published, a minute).
docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --editable ".[docs,search]"
	$(BIN)/sphinx-build -W --keep-going -n -E -q -b html docs build/docs

bench: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	$(BIN)/python -m benchmarks --members $(MEMBERS) --dataset $(DATASET) --out benchmarks/results

clean:
	rm -rf $(VENV) $(VENV)-release $(VENV)-oldest $(VENV)-oldest-export $(VENV)-configspace build dist
