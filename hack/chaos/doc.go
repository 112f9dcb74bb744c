// SPDX-License-Identifier: Apache-2.0

// Command chaos breaks the manager at every point of its work, in process and on a fake clock, against a real API server and
// a simulated AWS Region, and prints what came of it. `make chaos` runs it. What was tried is kept in a file, so that a run
// that was interrupted goes on where it ended.
//
// With soak as its first argument it plays random histories instead, for as long as it is told to: `make soak`.
package main
