// SPDX-License-Identifier: Apache-2.0

// Package sts is GetCallerIdentity of AWS STS (query API, version 2011-06-15).
package sts
