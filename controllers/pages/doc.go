// SPDX-License-Identifier: Apache-2.0

// Package pages names the page of the documentation that says what to do, and keeps that link where a
// message is cut. It does not read pages; the specs of api/v1alpha1 hold that there is one for every
// state and reason.
package pages
