// SPDX-License-Identifier: Apache-2.0

// Command mutants changes the product in small ways, one at a time, and reports which changes no test of the package notices.
//
// A change negates a condition, drops a statement, swallows an error or changes a constant. All changes of a package that
// fit into one program are compiled into one test binary, in a copy of the module: the checkout stays as it is. A variable
// of the environment turns one of them on. What is declared as a constant has to be compiled anew for each change.
//
// Each test runs once without a change, and notes which changes it reaches; so does each spec of a ginkgo suite. A change
// then meets the tests that reach it, and some of the specs, until one fails. See docs/mutants.md.
package main
