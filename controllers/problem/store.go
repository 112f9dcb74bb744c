// SPDX-License-Identifier: Apache-2.0

package problem

import "errors"

// StoreError is an error of reading or writing Kubernetes objects: it stops the pass, since a
// status written on top of it would be about something else.
type StoreError struct{ err error }

// Error implements error.
func (e *StoreError) Error() string { return e.err.Error() }

// Unwrap gives the API server's error.
func (e *StoreError) Unwrap() error { return e.err }

// FromStore marks an error as one of the API server.
func FromStore(err error) error {
	if err == nil {
		return nil
	}
	return &StoreError{err}
}

// IsStoreError reports whether an error is one of the API server, or joins one.
func IsStoreError(err error) bool {
	_, is := errors.AsType[*StoreError](err)
	return is
}
