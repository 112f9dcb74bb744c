// SPDX-License-Identifier: Apache-2.0

package parallel

import (
	"errors"
	"sync"
)

// Do runs functions side by side and joins their errors, in their order.
func Do(functions ...func() error) error {
	errs := make([]error, len(functions))
	var group sync.WaitGroup
	for i, f := range functions {
		group.Go(func() { errs[i] = f() })
	}
	group.Wait()
	return errors.Join(errs...)
}

// ForEach makes a call for each item side by side, and joins the errors in the order of the items.
func ForEach[T any](items []T, call func(T) error) error {
	calls := make([]func() error, 0, len(items))
	for _, item := range items {
		calls = append(calls, func() error { return call(item) })
	}
	return Do(calls...)
}
