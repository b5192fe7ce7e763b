# Two commands for people: `make demo` and `make test`. Everything happens inside .venv and build/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test bench reliability validation docs clean

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

bench: $(STAMP)
	$(BIN)/python -m benchmarks | tee docs/performance.md
	$(BIN)/python -m benchmarks.edits | tee docs/edits-measured.md
	$(BIN)/python -m benchmarks.separation  # its figure stands in docs/separation.md
	$(BIN)/python -m benchmarks.trust docs/trust.svg  # its tables stand in docs/trust.md
	$(BIN)/python -m benchmarks.report  # its tables stand in docs/report.md
	$(BIN)/python -m benchmarks.values docs/values.svg  # its tables stand in docs/values.md
	$(BIN)/python -m benchmarks.explanations  # how long each explanation takes

reliability: $(STAMP)
	$(BIN)/python -m benchmarks.reliability | tee docs/reliability.md

validation: $(STAMP)
	$(BIN)/python -m stemlens validate --songs -o docs/validation.md

docs: demo
	$(BIN)/python -m stemlens_bridge.reference osc > docs/osc.md
	$(BIN)/python -m stemlens_bridge.reference session > docs/session.md
	$(BIN)/python -m stemlens.reference docs/operation.md
	$(BIN)/python examples/picture.py build/demo/result.json docs/demo.svg
	$(BIN)/python examples/panel_picture.py build/panel
	cp build/panel/panel-light.png build/panel/panel-playing.png docs/
	$(BIN)/python examples/report_picture.py build/demo/report.html build/report
	cp build/report/report.png docs/

clean:
	rm -rf $(VENV) build

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stemlens needs Python 3.11 or later; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[server,dev]'
	@touch $@
