// SPDX-License-Identifier: Apache-2.0

// Package parallel makes calls side by side: it promises that all of them are over when it returns,
// and that the errors are joined in the order of the calls.
package parallel
