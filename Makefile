# Every target does its own set-up in .venv: a fresh machine needs Python 3.11 or newer with its
# ensurepip (Debian, Ubuntu: python3-venv), and make.
PYTHON ?= python3
BIN := .venv/bin

# Somebody's own set-up does not reach the Pythons of .venv, and Playwright keeps its browser there.
# What is compiled is kept: each worker and each kernel would compile it anew.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONDONTWRITEBYTECODE
export PLAYWRIGHT_BROWSERS_PATH := $(CURDIR)/.venv/browsers

.DEFAULT_GOAL := help
# Versions of SDKs whose calls are observed, beside those in the environment itself.
SDKS := openai-lowest anthropic-lowest google-genai-lowest litellm-newest jupyter-ai llama-index sdks-apart

# Whose own tests are run with the extension loaded.
PEERS := ipython ipykernel nbclient ipywidgets

# What each Python of the tests begins with.
AT_START := $(wildcard tests/machine/fake_root.* tests/machine/no_debugger.*)

# What the tests find beside their environment.
TESTED := .venv/lowest.stamp .venv/posthog-lowest.stamp $(SDKS:%=.venv/%.stamp) .venv/ipython-tests.stamp .venv/browser.stamp

# Each worker imports every test that may be its own. With 9,000 modules of SDKs a traceback or a fork
# takes many times longer, so that the tests which import them are run apart, in one process, as each
# takes nine seconds for that. The others wait for kernels and servers: more workers keep the cores busy.
WORKERS := --dist loadfile --no-loadscope-reorder --numprocesses
WITH_SDKS := tests/observers/llm tests/privacy/test_sdks.py
# What measures time, and does so again where the machine was busy, runs with few beside it.
TIMED := tests/benchmarks tests/delivery/test_exit.py
OTHERS := $(patsubst %,--ignore %,$(TIMED) $(WITH_SDKS))

# uv installs in a tenth of pip's time, as it links to files of its cache: nothing here may write into
# what is installed. It reads nothing of pip's configuration: where only that knows the way to an
# index, pip installs.
install = $(BIN)/uv pip install --quiet --system-certs --python $(1) $(2) \
	|| $(BIN)/python -m pip --python $(1) install --quiet $(2)

.NOTPARALLEL:
.PHONY: help demo test check coverage lowest lint privacy mutants peers bench documents sample images vocabularies newest windows dist clean

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-14s%s\n", $$1, $$2 }'

demo: .venv/demo.stamp ## Run notebooks/tour.ipynb in a real kernel and show what was recorded.
	@$(BIN)/python notebooks/demo.py

# What keeps one core busy runs beside what waits for the network, for kernels or for servers. The
# benchmarks compare what runs in turns, so that something may run beside them; the figures are those
# of `make bench`. Collecting once compiles the tests, which else each of six workers would do.
test: .venv/test.stamp ## Run every check and every test, the benchmarks too.
	@$(MAKE) --no-print-directory lint & lint=$$!; \
		$(BIN)/python -m pytest $(TIMED) > .venv/timed 2>&1 & timed=$$!; \
		$(MAKE) --no-print-directory $(TESTED) && made= || made='its set-up'; \
		$(BIN)/python -m pytest -q --collect-only $(OTHERS) > /dev/null; \
		wait $$lint || made='style or types'; \
		test -z "$$made" || { kill -INT $$timed; echo "make test: $$made failed, see above" >&2; exit 1; }; \
		$(BIN)/python -m pytest $(WITH_SDKS) > .venv/with-sdks 2>&1 & sdks=$$!; \
		wait $$timed; passed=$$?; cat .venv/timed; \
		$(BIN)/python -m pytest $(WORKERS) 6 $(OTHERS) || passed=1; \
		wait $$sdks || passed=1; cat .venv/with-sdks; \
		exit $$passed

check: lint ## Check style and types and run the quick tests.
	$(BIN)/python -m pytest -q tests/catalogue tests/consent/test_decision.py tests/test_architecture.py tests/test_documents.py

# The sender is measured too, which is given no variable of coverage's.
MEASURED := PYTHON_MEASURED=$(CURDIR) $(BIN)/coverage run
# A test that looks at what is imported may fail under measurement: whether tests pass is what `make test` says.
# The report leaves out copies of the package that tests have made.
coverage: $(TESTED) ## Run the tests but the benchmarks, or TESTS=DIR; name lines and branches that none reaches.
	rm -rf .venv/coverage
	cp tests/machine/measured.* "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	-test -n "$(TESTS)" || $(MEASURED) -m pytest $(WORKERS) 2 $(WITH_SDKS) $(filter-out tests/benchmarks,$(TIMED))
	-$(MEASURED) -m pytest $(WORKERS) 6 $(or $(TESTS),$(OTHERS))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include 'dev_analytics/*'

lowest: .venv/lowest.stamp ## Run tests with the lowest versions, which are Colab's; COLABTOOLS=DIR takes its own kernel.
	test -z "$(COLABTOOLS)" || $(call install,.venv/lowest/bin/python,$(COLABTOOLS_NEEDS))
	COLABTOOLS="$(COLABTOOLS)" .venv/lowest/bin/python -m pytest -k "not subshell" $(LOWEST)

lint: .venv/test.stamp ## Check style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

privacy: .venv/test.stamp ## Prove that nothing private leaves, at length; print what each event can say.
	$(BIN)/python -m dev_analytics.testing.payloads
	$(BIN)/python -m pytest tests/privacy tests/test_recording.py --hypothesis-profile=privacy

mutants: .venv/test.stamp ## Break the promise in one way after another; a test must see each.
	$(BIN)/python scripts/mutants.py

peers: .venv/test.stamp $(PEERS:%=.venv/%-tests.stamp) ## Run the suites of IPython, ipykernel, nbclient, ipywidgets with the extension.
	$(BIN)/python tests/peers/suites.py

bench: .venv/test.stamp .venv/rivals.stamp ## Measure what the extension costs, beside other libraries; make docs/benchmarks.md.
	$(BIN)/python -m pytest tests/benchmarks
	$(BIN)/python tests/benchmarks/side_by_side/run.py

documents: .venv/demo.stamp ## Make the documents that come from the code: docs/events.md, schemas, tables.
	$(BIN)/python scripts/sdk_table.py
	$(BIN)/python scripts/refresh_vocabularies.py sdks
	$(BIN)/python scripts/documents.py

sample: .venv/demo.stamp ## Run the notebooks for real, keep 1,000 records; make a page of made-up users.
	$(BIN)/python notebooks/sample.py
	$(BIN)/python notebooks/public_page.py

images: .venv/browser.stamp ## Make the pictures of the documents anew, in a real JupyterLab.
	$(BIN)/python -m pytest tests/browser/images.py

vocabularies: .venv/test.stamp ## Refresh the shipped vocabularies from their public sources.
	$(BIN)/python scripts/refresh_vocabularies.py
	$(BIN)/python scripts/model_table.py
	$(BIN)/python scripts/documents.py

dist: .venv/dist.stamp ## Build wheel and sdist, check them, and run the demo from the wheel alone.
	$(BIN)/python scripts/dist.py

newest: .venv/test.stamp ## Test the newest release of each SDK (or SDK=NAME): what would one break?
	$(BIN)/python tests/newest.py $(SDK)

windows: .venv/wine.stamp ## Run the extension and tests in CPython for Windows, under Wine.
	$(BIN)/python tests/windows/under_wine.py

clean: ## Delete the environment and everything that was generated.
	rm -rf .venv .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment with one group of pyproject.toml, and a stamp that it is there. pip comes last
# into a new environment, so one without it was cut short and is made again.
.venv/%.stamp: constraints.txt pyproject.toml $(AT_START)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo '$(PYTHON) is no Python 3.11 or newer: name one with make PYTHON=/path/to/python' >&2; \
		exit 1; \
	}
	@test -x $(BIN)/pip || $(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo '$(PYTHON) has no ensurepip, which makes .venv: install it (Debian, Ubuntu: apt install python3-venv)' >&2; \
		exit 1; \
	}
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip uv
	$(call install,$(BIN)/python,--constraint constraints.txt --editable . --group $*)
	cp $(AT_START) "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@

# The lowest versions that are allowed, in an environment of their own. Some tests look for what newer
# versions have, so not all are run: those of cells, features, questions, front ends and commands.
LOWEST := tests/consent/asking/test_front_ends.py tests/consent/asking/test_notebook.py tests/consent/asking/test_console.py \
	tests/observers/test_features.py tests/observers/test_launch.py tests/test_unserved.py
# What Colab's own sources import, which no registry has.
COLABTOOLS_NEEDS := anywidget google-auth==2.47.0 httplib2 ipyparallel==8.8.0 ipython_genutils pandas==2.2.2 pillow \
	portpicker==1.5.2 requests==2.32.4
.venv/lowest.stamp: .venv/test.stamp tests/lowest.txt
	rm -rf .venv/lowest
	$(PYTHON) -m venv --without-pip .venv/lowest
	$(call install,.venv/lowest/bin/python,--requirement tests/lowest.txt)
	$(call install,.venv/lowest/bin/python,--no-deps --editable .)
	cp $(AT_START) "$$(.venv/lowest/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@

# The lowest version of posthog that is allowed, beside the newest: the contract test runs with both.
.venv/posthog-lowest.stamp: .venv/test.stamp
	rm -rf .venv/posthog-lowest
	$(call install,$(BIN)/python,--no-deps --target .venv/posthog-lowest posthog==7.4.0 six)
	@touch $@

# A Chromium for the tests in real front ends: the system's, or one that Playwright fetches.
.venv/browser.stamp: .venv/test.stamp
	@for name in chromium chromium-browser google-chrome; do command -v $$name > .venv/browser && break; done; \
	if test -s .venv/browser; then \
		exit 0; \
	elif test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq chromium > /dev/null; \
	else \
		$(BIN)/python -m playwright install chromium || { \
			echo 'There is no Chromium, and none can be fetched: install it (Debian, Ubuntu: apt install chromium)' >&2; \
			exit 1; \
		}; \
	fi
	@touch $@

# Wine: the machine's, or one that Debian and Ubuntu have.
.venv/wine.stamp: .venv/test.stamp
	@if command -v wine64 wine > /dev/null || test -x /usr/lib/wine/wine64; then \
		exit 0; \
	elif test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
		apt-get update -qq \
			&& DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends wine wine64 > /dev/null; \
	else \
		echo 'There is no Wine: install it (Debian, Ubuntu: apt install wine wine64)' >&2; \
		exit 1; \
	fi
	@touch $@

# The releases whose own tests are run with the extension loaded. `make test` runs IPython's alone: pip
# builds what it downloads as a source, to know its name.
$(PEERS:%=.venv/%-tests.stamp): .venv/%-tests.stamp: .venv/peers.stamp
	rm -rf .venv/peers/$*-*
	$(BIN)/python -m pip download --quiet --no-deps --dest .venv/peers --no-binary $* \
		$$(grep '^$*==' constraints.txt)
	tar -xzf .venv/peers/$*-*.tar.gz -C .venv/peers
	@touch $@

# What these tests need, apart from the environment, whose pytest shall have no plugin of theirs.
.venv/peers.stamp: .venv/test.stamp
	rm -rf .venv/peers
	$(call install,$(BIN)/python,--no-deps --target .venv/peers/packages \
		flaky==3.8.1 pytest-asyncio==1.5.0 pytest-timeout==2.4.0 pytz==2026.6 testpath==0.6.0 xmltodict==1.0.4)
	@touch $@

# Other versions of SDKs whose calls are observed. Only what lies in a site-packages counts as installed.
.venv/openai-lowest.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/openai-lowest/site-packages openai==1.3.0)
	@touch $@

.venv/anthropic-lowest.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/anthropic-lowest/site-packages anthropic==0.28.0)
	@touch $@

.venv/google-genai-lowest.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/google-genai-lowest/site-packages google-genai==1.0.0)
	@touch $@

# The magic %%ai asks for versions of other SDKs that are not those of the environment.
.venv/jupyter-ai.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/jupyter-ai/site-packages \
		jupyter-ai-magic-commands==0.0.4 jupyter-ai-litellm==0.1.0)
	@touch $@

# It asks for an older openai than that of the environment.
.venv/llama-index.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/llama-index/site-packages \
		llama-index-core==0.14.25 llama-index-embeddings-openai==0.7.0 llama-index-instrumentation==0.6.0 \
		llama-index-llms-openai==0.8.3 llama-index-workflows==2.26.1 openai==2.54.0 \
		aiosqlite==0.22.1 banks==2.5.1 dataclasses-json==0.6.7 deprecated==1.3.1 dirtyjson==1.0.8 \
		filetype==1.2.0 griffe==2.4.1 griffelib==2.4.1 griffecli==2.4.1 joblib==1.6.0 \
		marshmallow==3.26.2 nest-asyncio==1.6.0 networkx==3.6.1 nltk==3.10.4 sqlalchemy==2.1.9 \
		tinytag==2.3.2 typing-inspect==0.9.0 colorama==0.4.6)
	@touch $@

# They ask for an older filelock, httpx or packaging than that of the environment.
.venv/sdks-apart.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/sdks-apart/site-packages \
		together==3.1.1 detect-agent==0.6.0 rich==14.3.4 markdown-it-py==4.3.0 mdurl==0.1.2 \
		fireworks-ai==1.2.30 httpx-aiohttp==0.2.0 xai-sdk==1.21.0 grpcio==1.85.3 protobuf==7.36.2 \
		googleapis-common-protos==1.76.0 opentelemetry-sdk==1.45.2 \
		langchain-mistralai==1.1.6 httpx-sse==0.4.3)
	@touch $@

# What the extension is measured beside: each apart, in the versions of its list. One that cannot be
# installed is told of in the tables, and is tried again the next time.
RIVALS := $(wildcard tests/benchmarks/side_by_side/requirements/*.txt)
.venv/rivals.stamp: .venv/test.stamp $(RIVALS)
	rm -rf .venv/rivals
	mkdir .venv/rivals
	for name in $(basename $(notdir $(RIVALS))); do \
		$(BIN)/python -m pip install --quiet --no-deps --target .venv/rivals/$$name \
			--requirement tests/benchmarks/side_by_side/requirements/$$name.txt \
			2> .venv/rivals/$$name.failed \
			&& rm .venv/rivals/$$name.failed \
			|| { cat .venv/rivals/$$name.failed >&2; rm -rf .venv/rivals/$$name; }; \
	done
	@test -n "$$(find .venv/rivals -maxdepth 1 -name '*.failed')" || touch $@

# It asks for a newer certifi than others may have: here it runs with that of the environment.
.venv/litellm-newest.stamp: .venv/test.stamp
	rm -rf $(@:.stamp=)
	$(call install,$(BIN)/python,--no-deps --target .venv/litellm-newest/site-packages litellm==1.110.2)
	@touch $@
