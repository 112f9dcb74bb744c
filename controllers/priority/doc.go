// SPDX-License-Identifier: Apache-2.0

// Package priority says which pass comes first, in the work queue and among the calls of AWS: it
// promises that objects which can't begin delay no run that is on, and these no end.
package priority
