# `make` lists all targets. Each target first creates the environment it needs in .venv; the machine
# only needs make and Python 3.11 or newer.

PYTHON ?= python3
PROCESSES ?= 2
ARGS ?=

VENV := .venv
BIN := "$(CURDIR)/$(VENV)/bin"
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
SERVE := $(BIN)/straingauge serve
OPTIONS = $(if $(PORT),--port $(PORT)) $(if $(APP),--app $(APP)) $(if $(WORKERS),--workers $(WORKERS))
# Locust tests a service on a free port or on PORT, or the running service at URL.
ANY_PORT = --port $(or $(PORT),0) $(if $(APP),--app $(APP)) $(if $(WORKERS),--workers $(WORKERS))
LOCUST = $(if $(URL),,$(SERVE) $(ANY_PORT) --) \
	$(BIN)/locust -f tests/performance/load_test.py --host $(or $(URL),{url})
HEADLESS = --headless --stop-timeout 10 $(if $(RUN_TIME),--run-time $(RUN_TIME)) $(ARGS)

# Sizes of loads: Locust's levels, and the profiles that consist of them.
LEVELS := quick moderate heavy stress soak
quick := --users 5 --spawn-rate 1 --run-time 1m
moderate := --users 20 --spawn-rate 2 --run-time 5m
heavy := --users 50 --spawn-rate 5 --run-time 10m
stress := --users 100 --spawn-rate 10 --run-time 15m
soak := --users 20 --spawn-rate 1 --run-time 1h
ramp := --users 50 --spawn-rate 0.25 --run-time 5m
PROFILES := pre-deployment post-deployment daily weekly pre-release
pre-deployment: perf
post-deployment: ramp
daily: export SUSTAINED_LOAD_S ?= 300
daily: perf level-moderate
weekly: export SUSTAINED_LOAD_S ?= 900
weekly: perf level-stress
pre-release: export SUSTAINED_LOAD_S ?= 3600
pre-release: export LEAK_LOAD_S ?= 600
pre-release: perf level-soak
one_of = $(or $(filter $2,$($1)),$(error $1=$($1) is not one of: $2))

# Else each of the hundreds of interpreters that tests start compiles all that it imports again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install develop perf test fuzz serve locust profile docs pictures bench curves faults chaos chaos-instrument
.PHONY: profiling network overload tenants fuzz-instrument soak lint fmt requirements clean page test-e2e test-straingauge
.PHONY: test-backend $(LEVELS:%=level-%) ramp $(PROFILES)
.NOTPARALLEL:

help:  ## List all targets
	@echo "Usage: make TARGET"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo "Try: make perf"

install: $(READY)  ## Create the environment in .venv, as far as perf, serve and locust need it

develop: $(READY_DEV)  ## Create the whole environment, including what tests and lint need

perf: $(READY)  ## Run the seven load tests of TherapyBridge (ARGS="-k health" URL=http://localhost:8000)
	@echo "Load-testing TherapyBridge with $(PROCESSES) processes ..."
	@cd backend && $(BIN)/python -m pytest tests/performance/pytest_load_test.py -n $(PROCESSES) -v $(if $(URL),--load-host $(URL)) $(ARGS)

test: test-straingauge test-backend  ## Run the tests of both packages, except those that start whole programs

test-straingauge test-backend: $(READY_DEV)
	@echo "Testing $(@:test-%=%) ..."
	$(call tests_of,$(@:test-%=%),not e2e and not serial,-n 2 --dist loadgroup)

test-e2e: $(READY_DEV)  ## Run the tests that start straingauge, pytest, Locust and the service as programs
	$(call programs_of,straingauge)
	$(call programs_of,backend)

# Exit code 5: no test was selected, which only ARGS may do.
define tests_of
@cd $1 && $(BIN)/python -m pytest -q -m "$2" $3 $(ARGS)$(if $(ARGS), || [ $$? -eq 5 ])
endef

# Started programs wait half of the time, so two cores have work for three processes. Tests that need
# a timely load generator run alone.
define programs_of
@echo "Testing $1 as programs ..."
$(call tests_of,$1,e2e and not serial,-n 3 --dist loadgroup $$(grep -rl "mark\.e2e" tests))
$(call tests_of,$1,serial,$$(grep -rl "mark\.serial" tests))
endef

# Limits stay on, so that their headers are checked, but do not stop the requests.
fuzz: export RATE_LIMIT_DEFAULT = 1000000/minute
fuzz: export RATE_LIMIT_LOGIN = 1000000/minute
fuzz: export RATE_LIMIT_SIGNUP = 1000000/minute
fuzz: export RATE_LIMIT_FAILED_LOGINS_BY_ADDRESS = 1000000/minute
fuzz: export ACCOUNT_DAY_S = 100000000
fuzz: export RATE_LIMIT_UPLOAD = 1000000/minute
fuzz: export ACCESS_TOKEN_TTL_S = 86400
fuzz: export JOB_WORKER = false
fuzz: export SEED_SESSIONS = 200
fuzz: $(READY_DEV)  ## Send valid and broken requests to TherapyBridge, and check the responses against its OpenAPI document (ARGS="--only admin,ranges --examples 20", --list, --keep)
	@cd backend && folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	STORAGE_DIR="$$folder" LOG_DIR="$$folder" PYTHONPATH=.:tests:../benchmarks $(SERVE) $(ANY_PORT) -- $(BIN)/python -m tests.fuzz {url} $(ARGS)

serve: $(READY)  ## Run TherapyBridge with its database until Ctrl-C (PORT=8000 APP=module:app WORKERS=1 DATABASE_URL=...)
	@cd backend && exec $(SERVE) $(OPTIONS)

locust: $(if $(LEVEL),level-$(call one_of,LEVEL,$(LEVELS)),page)  ## Run Locust's web UI on http://localhost:8089 and a TherapyBridge to test (LEVEL=moderate: headless)

page: $(READY)
	@cd backend && exec $(LOCUST) --web-host 127.0.0.1 $(ARGS)

$(LEVELS:%=level-%) ramp: $(READY)
	@cd backend && exec $(LOCUST) $($(@:level-%=%)) $(HEADLESS)

profile: $(READY)  ## Run a profile (NAME=pre-deployment, post-deployment, daily, weekly, pre-release)
	@$(MAKE) --no-print-directory --keep-going $(call one_of,NAME,$(PROFILES))

docs: $(READY_DEV)  ## Build the documentation site into build/docs
	@$(BIN)/python docs/generate/generate.py build/docs-source
	@$(BIN)/zensical build --strict

pictures: $(READY_DEV)  ## Take screenshots of a report, a capacity page and Locust's web UI (DIR=build/pictures APP=module:app)
	@cd backend && PYTHONPATH=. $(BIN)/python ../docs/page_pictures.py "$(abspath $(or $(DIR),build/pictures))"
	@cd backend && exec $(SERVE) $(ANY_PORT) -- $(BIN)/python ../docs/pictures.py {url} "$(abspath $(or $(DIR),build/pictures))" $(ARGS)

bench: $(READY)  ## Compare the speed of straingauge and TherapyBridge with peers (ARGS="--only get", ARGS=--keep)
	@$(BIN)/python benchmarks/engine.py $(ARGS); engine=$$?; \
	$(if $(filter-out --keep,$(ARGS)),exit $$engine,[ $$engine -le 1 ] || exit $$engine; \
	$(BIN)/python benchmarks/master.py || engine=$$?; \
	cd backend && $(SERVE) --port 0 -- $(BIN)/python ../benchmarks/service.py $(ARGS) && exit $$engine)

curves: $(READY)  ## Measure how the cost of a load grows with users, endpoints, workers, length and result (ARGS="--only users", ARGS=--keep)
	@exec $(BIN)/python benchmarks/curves.py $(ARGS)

profiling: $(READY)  ## Measure what profiling costs the service (ARGS="--rounds 12", --keep)
	@cd backend && RATE_LIMIT_ENABLED=false JOB_WORKER=false PYTHONPATH=../benchmarks $(SERVE) --port 0 -- $(BIN)/python ../benchmarks/profiling.py {url} $(ARGS)

faults: $(READY)  ## Inject faults into the service, one at a time, and check that the load tests detect them (ARGS="--list", "limiter_off", "--service prefect")
	@PYTHONPATH="$(CURDIR)/backend" exec $(BIN)/python $(if $(findstring --service,$(ARGS)),benchmarks/foreign,-m tests.performance.fault_injection) $(ARGS)

chaos: $(READY)  ## Kill, restart and freeze TherapyBridge's processes while it writes, and check that nothing is lost (ARGS="--only worker --times 3", --list, --keep)
	@cd backend && PYTHONPATH=.:tests:../benchmarks exec $(BIN)/python -m tests.chaos $(ARGS)

tenants: export RATE_LIMIT_DEFAULT = 1000000/minute
tenants: export RATE_LIMIT_LOGIN = 1000000/minute
tenants: export RATE_LIMIT_SIGNUP = 1000000/minute
tenants: export RATE_LIMIT_UPLOAD = 1000000/minute
tenants: export JOB_WORKER = false
tenants: $(READY)  ## Ask for the records of another tenant of TherapyBridge in each operation, as each role (ARGS="--only patient", --list, --keep)
	@cd backend && folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	STORAGE_DIR="$$folder" LOG_DIR="$$folder" PYTHONPATH=.:../benchmarks $(SERVE) $(ANY_PORT) -- $(BIN)/python -m campaigns.tenants {url} $(ARGS)

fuzz-instrument: $(READY_DEV)  ## Read damaged files, documents and responses with straingauge, and look for tracebacks and hangs (ARGS="--only har", --list, --keep)
	@PYTHONPATH=benchmarks exec $(BIN)/python -m campaigns.fuzz_instrument $(ARGS)

network: $(READY)  ## Cut, reset and slow the network between straingauge and a service, and check its reports; needs root or user namespaces (ARGS="--only loss --times 1", --list, --keep)
	@cd benchmarks && PYTHONPATH="$(CURDIR)/benchmarks" exec $(BIN)/python -m campaigns.network $(ARGS)

overload: $(READY)  ## Overload TherapyBridge with connections, log-ins and uploads, and check that it lives on (ARGS="--only log-ins --times 1", --list, --keep)
	@cd backend && PYTHONPATH=.:../benchmarks exec $(BIN)/python -m campaigns.overload $(ARGS)

chaos-instrument: $(READY)  ## Kill and freeze running load tests, and break the disk, service and address under them, and check that what they measured is readable (ARGS="--only worker-kill --times 3", --list, --keep)
	@PYTHONPATH="$(CURDIR)/benchmarks" exec $(BIN)/python -m campaigns.instrument $(ARGS)

soak: $(READY)  ## Run long loads, and check that memory, files, threads and results do not grow (ARGS="--minutes 240", --list, --keep)
	@PYTHONPATH=benchmarks exec $(BIN)/python -m campaigns.soak $(ARGS)

lint: $(READY_DEV)  ## Check style, types and pinned versions
	@echo "Linting ..."
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/python .ci/requirements.py check
	@(cd straingauge && $(BIN)/mypy --no-error-summary) & pid=$$!; \
	(cd backend && $(BIN)/mypy --no-error-summary); code=$$?; wait $$pid && exit $$code

fmt: $(READY_DEV)  ## Format the code
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

requirements: $(READY_DEV)  ## Update the pinned versions within the ranges of pyproject.toml
	@echo "Resolving ..."
	@$(BIN)/python .ci/requirements.py write

clean:  ## Remove environment, caches and results
	@rm -rf $(VENV) benchmarks/.venv-peers build straingauge/build backend/build
	@find . -type d \( -name __pycache__ -o -name .pytest_cache -o -name .mypy_cache -o -name .ruff_cache \
		-o -name .hypothesis -o -name '*.egg-info' \) -prune -exec rm -rf {} +
	@find backend/tests/performance/results backend/logs -type f ! -name .gitkeep -delete

# uv takes a tenth of pip's time. If it cannot be installed or finds no package index, pip is used.
define install
@echo "Installing $1 into $(VENV) ..."
@cd backend && { $(PIP) -qq uv 2>/dev/null && $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -r $1; } || $(PIP) -qq -r $1
@touch $@
endef
PIP := $(BIN)/python -m pip --disable-pip-version-check install

$(READY): backend/requirements.txt backend/pyproject.toml straingauge/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is not Python 3.11 or newer; choose one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot create an environment; on Debian: apt install python3-venv" >&2; exit 1; }
	$(call install,requirements.txt)

$(READY_DEV): $(READY) backend/requirements-dev.txt
	$(call install,requirements-dev.txt)
