# Two commands matter: `make run` and `make test`. Both need root on Debian and do all their set-up themselves.

CARGO  ?= cargo
PREFIX ?= /usr/local
UNITS  ?= /etc/systemd/system
HOST   := $(shell rustc --print host-tuple 2>/dev/null)
OUT    := $(or $(CARGO_TARGET_DIR),target)/$(HOST)/release

.PHONY: help run stop build install test test-vm diff schema compat suite-docker-py suite-testcontainers suite-bollard suite-oci deb lint bench root

help:
	@echo 'make run      build, start jockerd on a private socket, run a container'
	@echo 'make stop     stop what make run started, and remove it'
	@echo 'make test     install what the tests need and run them all'
	@echo 'make diff     compare the answers with a dockerd 26.1: make diff REFERENCE=unix:///var/run/docker.sock'
	@echo 'make compat   write down which endpoints the tests show to work'
	@echo 'make test-vm  try version 2 control groups, systemd and power cuts: make test-vm VM=/path/to/a/runner'
	@echo 'make lint     formatting, clippy'
	@echo 'make install  install jockerd, jocker and the systemd units below $(PREFIX)'
	@echo 'make deb      make a Debian package of them'
	@echo 'make bench    compare with a reference daemon: make bench REFERENCE=unix:///var/run/docker.sock'

root:
	@[ "$$(id -u)" = 0 ] || { echo 'root is needed: containers are made of mounts, namespaces and cgroups' >&2; exit 1; }

build:
	@contrib/setup.sh build
	$(CARGO) build --release --locked

run: root build
	@contrib/try.sh start $(OUT)

stop: root
	@contrib/try.sh stop $(OUT)

test: root
	@contrib/setup.sh test
	$(CARGO) build --locked --workspace --all-targets
	$(CARGO) nextest run --locked --workspace

# tests/reference.sh starts a dockerd to compare with, beside the machine's own.
diff: root
	@[ -n "$(REFERENCE)" ] || { echo 'make diff REFERENCE=unix://…: the dockerd to compare with' >&2; exit 1; }
	$(CARGO) build --locked -p jocker-daemon
	JOCKER_REFERENCE=$(REFERENCE) $(CARGO) nextest run --locked -p jocker-tests --test differences

# What a runner is: tests/vm/run.sh.
test-vm: build
	@[ -n "$(VM)" ] || { echo 'VM names the runner of a virtual machine; tests/vm/run.sh says what it must do' >&2; exit 1; }
	tests/vm/run.sh $(VM) $(OUT) $(PARTS)

# Every answer that the black-box tests read, against Docker's own description of the API.
schema: root
	@[ -n "$(SWAGGER)" ] || { echo 'make schema SWAGGER=docker-api-v1.52.yaml' >&2; exit 1; }
	$(CARGO) build --locked --workspace --all-targets
	tests/schema.sh $(SWAGGER)

# What the tests show: docs/compat/endpoints.md, and the states of the README's table.
compat: root
	$(CARGO) build --locked -p jocker-daemon -p jocker-cli -p jocker-runtime
	$(CARGO) nextest run --locked -p jocker-tests --profile compat --no-fail-fast || true
	JOCKER_RESULTS=$(CURDIR)/target/nextest/compat/results.xml \
		$(CARGO) nextest run --locked -p jocker-tests --test compat

# Other people's tests: SOCKET is the socket of the daemon that they are to drive, which loses what it has.
suite-docker-py suite-testcontainers suite-bollard: suite-%:
	@[ -n "$(SOCKET)" ] || { echo 'make $@ SOCKET=/path/to/a/daemon.sock' >&2; exit 1; }
	tests/suites/$*.sh unix://$(SOCKET)

# Other people's tests of OCI runtimes, for ours and for those that are installed.
suite-oci: root build
	tests/suites/oci.sh $(abspath $(OUT))/jocker-runtime $(shell command -v runc) $(shell command -v crun)

lint:
	$(CARGO) fmt --all --check
	rustfmt --edition 2024 --check guest/main.rs
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

bench: root build
	$(CARGO) build --release --locked -p jocker-bench
	@contrib/try.sh start $(OUT)
	$(OUT)/jocker-bench jocker=unix:///run/jocker-try/jocker.sock $(if $(REFERENCE),reference=$(REFERENCE)); \
		status=$$?; contrib/try.sh stop $(OUT); exit $$status

install: build
	contrib/install.sh $(OUT) "$(DESTDIR)" $(PREFIX) $(UNITS)

deb: build
	contrib/deb.sh $(OUT) $(OUT)/../debian
