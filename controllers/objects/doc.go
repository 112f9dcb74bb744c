// SPDX-License-Identifier: Apache-2.0

// Package objects gives what a pass needs of other objects than its own, from the informer or past it: it promises that nothing
// which it gives can be written to the API server. An Object lacks most of the status, has a type that no client writes, and refuses
// to be encoded.
//
// It decides nothing, and reads no object for the pass that is over it: that one is read whole, by the API reader.
package objects
