// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// confirm asks a question and reads the answer. Anything but y and yes is a no, and so are the input's end and an
// interruption.
func (p *program) confirm(ctx context.Context, out io.Writer, question string) bool {
	fmt.Fprint(out, question+" [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.in).ReadString('\n') // an error leaves what there was of the line
		answer <- line
	}()
	select {
	case line := <-answer:
		if !strings.HasSuffix(line, "\n") {
			fmt.Fprintln(out)
		}
		line = strings.ToLower(strings.TrimSpace(line))
		return ctx.Err() == nil && (line == "y" || line == "yes")
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false
	}
}
