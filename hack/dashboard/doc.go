// SPDX-License-Identifier: Apache-2.0

// Command dashboard writes scrapes of a real manager into a folder, for the check of the Grafana dashboard's
// queries. It promises that meanwhile, in a simulated Region, the manager brought a run to its end and a schedule
// ticked.
//
//	dashboard FOLDER
package main
