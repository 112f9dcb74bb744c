// SPDX-License-Identifier: Apache-2.0

// Package argocd holds config/argocd against Argo CD's own engine, with an object of each state that a reconciler left, and the
// API server that takes what the actions ask for.
package argocd
