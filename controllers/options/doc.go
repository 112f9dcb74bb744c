// SPDX-License-Identifier: Apache-2.0

// Package options is what a platform team sets for all objects: it promises that a manager which
// starts has valid options, and that what is wrong with others is said all at once, by flag.
package options
