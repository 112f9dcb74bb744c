// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"strings"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// see is between a message and its link.
const see = ". See "

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

// Link ends a message with a link to a page.
func Link(message, page string) string { return message + see + page }

// HasLink reports whether a message ends with a link.
func HasLink(message string) bool { return message != textOf(message) }

// Truncate cuts a message to at most n bytes. A link at its end stays: what is cut is the text before it.
func Truncate(message string, n int) string {
	text := textOf(message)
	link := message[len(text):]
	if len(message) <= n || len(link) > n {
		return aws.Truncate(message, n)
	}
	return aws.Truncate(text, n-len(link)) + link
}

// textOf is a message without its link, which is one word at its end.
func textOf(message string) string {
	at := strings.LastIndex(message, see)
	if at < 0 || strings.Contains(message[at+len(see):], " ") {
		return message
	}
	return message[:at]
}
