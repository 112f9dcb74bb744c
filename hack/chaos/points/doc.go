// SPDX-License-Identifier: Apache-2.0

// Package points breaks the manager at every point of its work. A Scenario is a history of one object. Playing it once
// undisturbed finds its points: every call to AWS and every write to Kubernetes that the manager makes. Then it is played
// once more for each point and each Kind of fault, in a world of its own, with that fault at that point, and held against what
// the product promises: nothing is left behind, nothing foreign touched, every run ends in time.
package points
