// SPDX-License-Identifier: Apache-2.0

// Command dashboard writes scrapes of a real manager into a folder, for the check of the Grafana dashboard's
// queries. It promises that the manager did meanwhile what its metrics are about: a plan, a run to its end, a tick of
// a schedule and a sweep, in a simulated Region.
//
//	dashboard FOLDER
package main
