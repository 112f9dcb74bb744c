// SPDX-License-Identifier: Apache-2.0

// Package report tells one run as a document: as text, Markdown, HTML, JUnit or JSON. It promises
// that what it writes follows from the object and the time alone, and that nothing of the object is
// taken for markup.
//
// The object becomes a Document, which JSON prints as it is; the other formats show parts of it.
// The package reads no file, makes no call and knows no cluster.
package report
