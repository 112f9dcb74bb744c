// SPDX-License-Identifier: Apache-2.0

// Command release writes into one folder what a release has beside the image and the chart: the kubectl plugin for each
// platform, the checksums, and the manifest for krew. The same commit gives the same bytes. It publishes nothing.
package main
