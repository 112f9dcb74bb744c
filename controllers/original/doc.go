// SPDX-License-Identifier: Apache-2.0

// Package original decides when a network ACL may be copied, and when a copy may follow a change of
// it: it promises that what a change opens is never held back, and that what it closes is followed
// only after reads have agreed on it for a while. It turns reads into decisions, and makes no reads
// itself.
package original
