# `make` alone lists what there is. Go, make and git are all that it needs: the rest is built from pinned modules.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ifneq (,$(filter-out help clean,$(MAKECMDGOALS)))
ifeq (,$(shell command -v go || true))
$(error Go is needed and not on the PATH: see https://go.dev/dl)
endif
endif

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Where the documentation can be read, with a slash at its end: the URL of the repository's files. Unset: messages name paths.
DOCS ?=
LDFLAGS := -X main.version=$(VERSION) -X agentdisconnect.dev/agentdisconnect/controllers/pages.Base=$(DOCS)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
IMG ?= agentdisconnect:dev
CONTAINER_TOOL ?= docker
# The image's platform, and those of an image for several; empty: that of the machine.
PLATFORM ?=
PLATFORMS ?= linux/amd64,linux/arm64
SOURCE ?= https://agentdisconnect.dev/agentdisconnect
IMAGE_ARGS = --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg SOURCE=$(SOURCE) --build-arg DOCS=$(DOCS)
KUBECTL ?= kubectl
# Without a cluster, kubectl apply would propose --validate=false.
REACH_CLUSTER = $(KUBECTL) get --raw /version >/dev/null || { echo "kubectl reaches no Kubernetes cluster: set KUBECONFIG to its kubeconfig, or choose its context (kubectl config use-context NAME)" >&2; exit 1; }
# The kustomization that is deployed: yours, with your settings, or config/default. It needs IMG or an image of its own.
OVERLAY ?= config/default
MANIFESTS := OVERLAY="$(OVERLAY)" IMG="$(if $(filter file,$(origin IMG)),,$(IMG))" hack/manifests.sh
INSTALLER ?= dist/install.yaml
# A schedule creates runs, so it goes first.
CRDS := agentdisconnectschedules.chaos.agentdisconnect.dev agentdisconnects.chaos.agentdisconnect.dev
# What `make test` runs, and flags for the product's own programs.
PKG ?= ./...
ARGS ?=
# What `make mutants` changes where PKG names no other packages: those whose tests take seconds.
MUTATED := ./controllers/run ./controllers/conditions ./controllers/timeline ./controllers/problem ./controllers/answers ./controllers/reservation ./controllers/original ./controllers/removal ./controllers/backoff ./controllers/brakes ./controllers/networkacl ./controllers/networkacl/clones ./controllers/networkacl/ec2acl ./controllers/networkacl/ownership ./controllers/discovery ./controllers/deadman ./controllers/aws ./controllers/sweep ./hack/simulator/acl
# How long `make fuzz` gives each target.
FUZZTIME ?= 30s

# Built from hack/tools. The build cache makes a second clone's tools a matter of linking.
TOOLS := $(CURDIR)/bin/tools
CONTROLLER_GEN := $(TOOLS)/controller-gen
CRD_REF_DOCS := $(TOOLS)/crd-ref-docs
GOLANGCI_LINT := $(TOOLS)/golangci-lint
GOTESTSUM := $(TOOLS)/gotestsum
GOVULNCHECK := $(TOOLS)/govulncheck
KUSTOMIZE := $(TOOLS)/kustomize
GINKGO := $(TOOLS)/ginkgo
# Built from hack/tools/actionlint: it needs an older YAML library than the other tools.
ACTIONLINT := $(TOOLS)/actionlint
# Built from hack/tools/promtool: its dependencies are many, and would move those of the others.
PROMTOOL := $(TOOLS)/promtool
QUERIES := $(TOOLS)/queries
# The same holds for hack/tools/d2 and hack/tools/helm.
D2 := $(TOOLS)/d2
HELM := $(TOOLS)/helm

# Prints the folder with etcd, kube-apiserver and kubectl, having made it first where there is none.
ENVTEST := go -C hack/envtest run .
WITH_ENVTEST := assets=$$($(ENVTEST)) && KUBEBUILDER_ASSETS="$$assets"

##@ Try it

.PHONY: demo
demo: ## Watch a run from start to end on a simulated AWS Region
	@$(WITH_ENVTEST) go run ./hack/demo $(ARGS)

.PHONY: playground
playground: ## Leave the demo's control plane and Region running, to try by hand
	@$(WITH_ENVTEST) go run ./hack/demo --playground $(ARGS)

.PHONY: local
local: build ## Run experiments with your own AWS credentials, without a cluster (ARGS=--help; see docs/first-real-run.md)
	@$(WITH_ENVTEST) && export KUBEBUILDER_ASSETS && go build -trimpath -o bin/local ./hack/local && exec bin/local $(ARGS)

.PHONY: bench
bench: ## Print the figures of docs/figures.md
	@$(WITH_ENVTEST) go run ./hack/bench $(ARGS)

##@ Develop

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Write the deepcopy methods of the API types
	@$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Write the CRDs and the manager's RBAC role from the markers in the code, and the chart's copies
	@$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	@$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/... output:rbac:dir=config/rbac
	@hack/chart.sh

.PHONY: docs
docs: $(CRD_REF_DOCS) ## Write docs/api.md from the API types
	@$(CRD_REF_DOCS) --log-level=WARN --config=hack/docs/config.yaml --renderer=markdown --templates-dir=hack/docs/templates \
		--source-path=api --output-path=docs/api.md

.PHONY: alerts
alerts: $(PROMTOOL) ## Write the PrometheusRule from config/prometheus/rules.yaml, and test each alert
	@DOCS=$(DOCS) hack/alerts.sh

.PHONY: dashboard
dashboard: $(QUERIES) ## Evaluate the Grafana dashboard's queries on scrapes of a real manager, about 2 minutes
	@scrapes=$$(mktemp -d) && trap 'rm -r "$$scrapes"' EXIT && $(WITH_ENVTEST) go run ./hack/dashboard "$$scrapes" && \
		$(QUERIES) config/chart/dashboards/agentdisconnect.json "$$scrapes"/*.prom

.PHONY: pictures
pictures: $(D2) ## Draw docs/pictures/*.svg from the texts beside them
	@for text in docs/pictures/*.d2; do $(D2) --theme=0 --dark-theme=200 --pad=20 "$$text" "$${text%.d2}.svg"; done

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the code and sort its imports
	@$(GOLANGCI_LINT) fmt
	@cd hack/envtest && $(GOLANGCI_LINT) fmt
	@cd hack/tools && $(GOLANGCI_LINT) fmt
	@cd hack/gitops && $(GOLANGCI_LINT) fmt

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Lint all modules
	@$(GOLANGCI_LINT) run $(ARGS)
	@cd hack/envtest && $(GOLANGCI_LINT) run $(ARGS)
	@cd hack/tools && $(GOLANGCI_LINT) run $(ARGS)

.PHONY: lint-fix
lint-fix: ## Lint all modules, and fix what the linters can fix
	@$(MAKE) lint ARGS=--fix

.PHONY: vet
vet: ## Run go vet in all modules
	@go vet -tags e2e ./...
	@go -C hack/envtest vet ./...
	@go -C hack/tools vet ./...

.PHONY: test
test: $(GOTESTSUM) $(GINKGO) $(HELM) $(KUSTOMIZE) ## Run all tests, with the race detector and in random order (PKG=./controllers/... for some)
	@mkdir -p bin; $(WITH_ENVTEST) $(GOTESTSUM) --format pkgname --format-hide-empty-pkg --jsonfile bin/tests.json --raw-command -- hack/test.sh $(PKG); \
		status=$$?; echo "The slowest:"; $(GOTESTSUM) tool slowest --num 10 --jsonfile bin/tests.json; exit $$status

# A module of its own: Argo CD and Flux compile for minutes. The specs leave an object of each state for it.
.PHONY: test-gitops
test-gitops: ## Run the objects through the code of Argo CD, Flux and Helm (hack/gitops)
	@$(WITH_ENVTEST) && export KUBEBUILDER_ASSETS AGENTDISCONNECT_STATES=$$(mktemp -d) && trap 'rm -r "$$AGENTDISCONNECT_STATES"' EXIT && \
		go test ./controllers/agentdisconnect -vet=off -count=1 -run='^TestSpecs$$' -ginkgo.focus='as kstatus and Argo CD read it' && \
		go test ./controllers/schedule -vet=off -count=1 -run='^TestSpecs$$' && \
		go -C hack/gitops test -count=1 -timeout 1h ./...

.PHONY: test-e2e
test-e2e: $(HELM) $(KUSTOMIZE) ## Try IMG on the empty cluster of KUBECONFIG and the simulated Region of AWS_ENDPOINT_URL (docs/e2e.md)
	@IMG="$(if $(filter file,$(origin IMG)),,$(IMG))" KUBECTL="$(KUBECTL)" go test -tags e2e -vet=off -count=1 -timeout 3h ./hack/e2e -v -ginkgo.v $(ARGS)

.PHONY: fuzz
fuzz: ## Feed every fuzz target with bad bytes for FUZZTIME each (PKG=./controllers/networkacl for some)
	@targets=$$(go test -list '^Fuzz' $(PKG)) || { echo "$$targets" >&2; exit 1; }; failed=; \
	for at in $$(echo "$$targets" | awk '/^Fuzz/ { n[++k] = $$1 } /^ok/ { for (i = 1; i <= k; i++) print $$2 "=" n[i]; k = 0 }'); do \
		echo "$$at"; \
		go test -run '^$$' -fuzz "^$${at#*=}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel 1 "$${at%%=*}" || failed="$$failed $$at"; \
	done; \
	[ -z "$$failed" ] || { echo "Failed:$$failed; the failing inputs are in testdata/fuzz of the package" >&2; exit 1; }

.PHONY: mutants
mutants: ## Change the code in small ways, and list what no test notices (PKG=./controllers/networkacl SAMPLE=50 SEED=1 ARGS=-v; see docs/mutants.md)
	@$(WITH_ENVTEST) GOGC=400 go run ./hack/mutants $(if $(SAMPLE),-sample=$(SAMPLE)) $(if $(SEED),-seed=$(SEED)) \
		$(if $(TESTS),-tests=$(TESTS)) $(ARGS) $(if $(filter ./...,$(PKG)),$(MUTATED),$(PKG))

.PHONY: chaos
chaos: ## Break the manager at every point of its work, and print what came of it (ARGS="--sample 200" for some; see docs/chaos.md)
	@$(WITH_ENVTEST) go run ./hack/chaos $(ARGS)

.PHONY: soak
soak: ## Play random histories (SEED=1 to begin with that one, DURATION=1h for how long)
	@$(WITH_ENVTEST) go run ./hack/chaos soak $(if $(SEED),--seed=$(SEED)) $(if $(DURATION),--duration=$(DURATION)) $(ARGS)

.PHONY: verify
verify: $(ACTIONLINT) $(CONTROLLER_GEN) $(CRD_REF_DOCS) $(GOLANGCI_LINT) $(GOVULNCHECK) $(KUSTOMIZE) $(PROMTOOL) $(QUERIES) $(D2) ## Check that what is checked in is generated, linted, tidy and committed
	@hack/verify.sh

.PHONY: build
build: plugin ## Build the manager and the kubectl plugin into bin/
	@go build -trimpath -ldflags "-s -w $(LDFLAGS)" -o bin/manager ./cmd/manager

.PHONY: plugin
plugin: ## Build the kubectl plugin into bin/; on the PATH it is `kubectl agentdisconnect`
	@go build -trimpath -ldflags "-s -w $(LDFLAGS)" -o bin/kubectl-agentdisconnect ./cmd/kubectl-agentdisconnect
	@cp cmd/kubectl-agentdisconnect/kubectl_complete-agentdisconnect bin/

.PHONY: run
run: ## Run the manager on the cluster of the current kubeconfig context (ARGS for its flags)
	@go run -ldflags "$(LDFLAGS)" ./cmd/manager $(ARGS)

##@ Deploy

.PHONY: docker-build
docker-build: ## Build the manager's image as IMG (PLATFORM=linux/arm64 for another machine)
	$(CONTAINER_TOOL) build $(if $(PLATFORM),--platform $(PLATFORM)) $(IMAGE_ARGS) -t $(IMG) .

.PHONY: docker-check
docker-check: ## Look at the image IMG that was built: its user, labels and files
	@hack/docker/check.sh $(CONTAINER_TOOL) $(IMG) $(VERSION)

.PHONY: docker-push
docker-push: registry ## Push the image IMG
	$(CONTAINER_TOOL) push $(IMG)

# The attestations need a builder that has them: docker buildx create --use
.PHONY: docker-buildx
docker-buildx: registry ## Build the image for PLATFORMS, with its SBOM and provenance, and push it as IMG
	@mkdir -p dist
	$(CONTAINER_TOOL) buildx build --platform $(or $(PLATFORM),$(PLATFORMS)) --sbom=true --provenance=mode=max $(IMAGE_ARGS) \
		--metadata-file dist/image.json --push -t $(IMG) .

.PHONY: registry
registry:
	@case "$(IMG)" in */*) ;; *) echo "Name the image with its registry: IMG=REGISTRY/agentdisconnect:TAG" >&2; exit 1 ;; esac

.PHONY: install
install: ## Install the CRDs
	@$(REACH_CLUSTER)
	$(KUBECTL) apply --server-side -f config/crd/bases

.PHONY: uninstall
uninstall: ## Remove the CRDs, once every object is gone
	@$(REACH_CLUSTER)
	@for crd in $(CRDS); do \
		found=$$($(KUBECTL) get crd $$crd --ignore-not-found -o name) || exit 1; [ -n "$$found" ] || continue; \
		left=$$($(KUBECTL) get $$crd -A -o jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}') || exit 1; \
		if [ -n "$$left" ]; then \
		echo "Delete these $${crd%%.*} first, so that the manager ends and restores their runs (docs/uninstall.md):"; echo "$$left"; exit 1; fi; done
	$(KUBECTL) delete --ignore-not-found crd $(CRDS) agentdisconnecthalts.chaos.agentdisconnect.dev

.PHONY: deploy
deploy: $(KUSTOMIZE) ## Deploy or upgrade: the CRDs and the manager, with IMG as the image (OVERLAY=path for your settings)
	@$(MANIFESTS)
	@$(REACH_CLUSTER)
	$(KUBECTL) apply --server-side -f bin/deploy/manifests.yaml

.PHONY: undeploy
undeploy: uninstall $(KUSTOMIZE) ## Remove the manager and the CRDs, once every object is gone (OVERLAY=path as deployed)
	@$(KUSTOMIZE) build $(OVERLAY) | $(KUBECTL) delete --ignore-not-found -f -
	@echo "No manager removes rules from AWS any more. Check in each Region that nothing is left: kubectl agentdisconnect sweep (docs/sweep.md)"

.PHONY: build-installer
build-installer: $(KUSTOMIZE) ## Write dist/install.yaml, one manifest with IMG as the image (OVERLAY=path for your settings)
	@OUT="$(INSTALLER)" $(MANIFESTS)
	@echo "Wrote $(INSTALLER): kubectl apply --server-side -f $(INSTALLER)"

##@ Release

# What a tag's workflow calls, and what docs/releasing.md describes.
.PHONY: release-artifacts
release-artifacts: ## Write the plugin for each platform, checksums and krew manifest of VERSION into dist/
	@go run ./hack/release -version=$(VERSION) -source=$(SOURCE) -docs=$(DOCS) $(ARGS)

.PHONY: release-chart
release-chart: $(HELM) ## Package the chart of VERSION into dist/, with IMG=IMAGE@DIGEST as its image
	@DOCS=$(DOCS) hack/release/chart.sh $(VERSION) $(IMG)

.PHONY: release-check
release-check: ## Check that VERSION may be released: CHANGELOG.md has it, and the tree is clean
	@hack/release/check.sh $(VERSION)

.PHONY: workflows
workflows: $(ACTIONLINT) ## Check the workflows: their syntax, expressions and shell, and that each action is pinned
	@hack/workflows.sh

##@ Set up

.PHONY: envtest
envtest: ## Make etcd, kube-apiserver and kubectl available, and print where they are
	@$(ENVTEST)

.PHONY: tools
tools: $(CONTROLLER_GEN) $(CRD_REF_DOCS) $(GOLANGCI_LINT) $(GOTESTSUM) $(GOVULNCHECK) $(KUSTOMIZE) $(GINKGO) $(ACTIONLINT) $(PROMTOOL) $(QUERIES) $(D2) $(HELM) ## Build the development tools into bin/tools

.PHONY: clean
clean: ## Remove bin/ and dist/; what `make envtest` made stays in the user's cache folder
	@rm -rf bin dist

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make <target>" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

controller-gen_PACKAGE := sigs.k8s.io/controller-tools/cmd/controller-gen
crd-ref-docs_PACKAGE := github.com/elastic/crd-ref-docs
ginkgo_PACKAGE := github.com/onsi/ginkgo/v2/ginkgo
golangci-lint_PACKAGE := ./golangci-lint
gotestsum_PACKAGE := gotest.tools/gotestsum
govulncheck_PACKAGE := golang.org/x/vuln/cmd/govulncheck
kustomize_PACKAGE := sigs.k8s.io/kustomize/kustomize/v5

$(TOOLS)/%: hack/tools/go.mod hack/tools/go.sum hack/tools/golangci-lint/main.go
	@echo "Building $* (hack/tools)$(if $(filter golangci-lint,$*),; the first time takes 2 to 4 minutes)" >&2
	@go -C hack/tools build -buildvcs=false -o $@ $($*_PACKAGE)

# Service discovery is left out: the rule tests need none of it, and it is most of what there is to build.
promtool_PACKAGE := github.com/prometheus/prometheus/cmd/promtool
queries_PACKAGE := ./queries
$(PROMTOOL) $(QUERIES): hack/tools/promtool/go.mod hack/tools/promtool/go.sum $(wildcard hack/tools/promtool/queries/*.go)
	@echo "Building $(notdir $@) (hack/tools/promtool); the first time takes 2 to 4 minutes" >&2
	@go -C hack/tools/promtool build -buildvcs=false -tags remove_all_sd -o $@ $($(notdir $@)_PACKAGE)

$(D2): hack/tools/d2/go.mod hack/tools/d2/go.sum
	@echo "Building d2 (hack/tools/d2); the first time takes 2 to 4 minutes" >&2
	@go -C hack/tools/d2 build -buildvcs=false -o $@ oss.terrastruct.com/d2

$(ACTIONLINT): hack/tools/actionlint/go.mod hack/tools/actionlint/go.sum
	@go -C hack/tools/actionlint build -buildvcs=false -o $@ github.com/rhysd/actionlint/cmd/actionlint

$(HELM): hack/tools/helm/go.mod hack/tools/helm/go.sum
	@echo "Building helm (hack/tools/helm); the first time takes 2 to 4 minutes" >&2
	@go -C hack/tools/helm build -buildvcs=false -o $@ helm.sh/helm/v4/cmd/helm
