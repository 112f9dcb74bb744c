// SPDX-License-Identifier: Apache-2.0

package pages

import "strings"

// Base is the URL of the repository's files, with a slash at its end, such as
// https://git.example.com/agentdisconnect/blob/v0.1.0/. The build sets it, by -ldflags -X. Empty:
// links are paths in the repository.
var Base string

// State is the page of a state.
func State(state string) string { return Base + "docs/states/" + state + ".md" }

// Stalled is the section on a reason why a person must act, while the run is not over.
func Stalled(reason string) string { return State("Stalled") + "#" + strings.ToLower(reason) }

// File is a file of the repository, such as docs/gitops.md.
func File(path string) string { return Base + path }
