// SPDX-License-Identifier: Apache-2.0

// Command onewriter reports each place where a package writes to a field of a struct that another
// package of the same tree declares: state has one writer, which is the package that declares it.
// What another package wants to change goes through a method of that one, or is returned to it
// as a value.
//
// A value that a function makes, or gets as a copy, is its own: it may set fields of that, whatever
// the type. The types of the API are excepted: the status is what a pass will write.
//
//	go run ./hack/onewriter ./controllers/...
package main
