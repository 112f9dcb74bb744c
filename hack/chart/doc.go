// SPDX-License-Identifier: Apache-2.0

// Package chart tests what is installed: the Helm chart, the kustomizations and `make deploy`, with the
// real helm, kubectl and kustomize, on a real API server where that matters. It has nothing but tests.
package chart
