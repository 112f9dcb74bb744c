// SPDX-License-Identifier: Apache-2.0

// Package screen writes what a program does for people: with color and a live line where there is a terminal, and as plain lines,
// none of them wider than 100 columns, where the output goes to a file or a log.
package screen
