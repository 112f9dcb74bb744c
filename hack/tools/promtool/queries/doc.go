// SPDX-License-Identifier: Apache-2.0

// Command queries evaluates each query of a Grafana dashboard with Prometheus' own engine on scrapes of a
// manager. It promises that a query which passes names only metrics and labels that were scraped.
//
//	queries DASHBOARD SCRAPE...
//
// A scrape is a file in Prometheus' text format, whose name is its time in milliseconds since 1970.
package main
