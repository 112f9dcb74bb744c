// SPDX-License-Identifier: Apache-2.0

// Package e2e tries the product on a Kubernetes cluster with real nodes and a simulated AWS Region,
// which it reaches as users do: it promises that each spec leaves the Region as it was.
//
// Its specs have the build tag e2e, since they need a cluster: `make test-e2e`, docs/e2e.md. They
// drain nodes and delete CRDs and namespaces, so they refuse a cluster that has the product.
package e2e
