// SPDX-License-Identifier: Apache-2.0

// Package gitops runs the product's objects in the code of Argo CD, Flux and Helm themselves: `make test-gitops`.
//
// It is a Go module of its own, since these compile for long, and nothing else needs them. It has tests alone. Neither of the
// tools' servers runs here: package argocd has Argo CD's engine for scripts and its diff, and package flux what
// kustomize-controller applies, waits and prunes with, and what Helm waits with.
package gitops
