// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// kubectlGet shows the object as kubectl does. Without a kubectl the status that other steps show has to do.
func (w *walk) kubectlGet(ctx context.Context) error {
	if w.stack.Kubectl == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, w.stack.Kubectl, "get", "agd", w.obj.Name, "--namespace", namespace)
	// What the user has set for kubectl is about other clusters.
	cmd.Env = []string{"KUBECONFIG=" + w.stack.Kubeconfig, "HOME=" + w.stack.Dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl get agd: %w: %s", err, out)
	}
	w.screen.Print(screen.Dim, "  $ kubectl get agd %s", w.obj.Name)
	rows := columns(string(out))
	for i, row := range rows {
		if i > 0 {
			row.Style = screen.Marked
		}
		rows[i] = row
	}
	w.screen.Table(nil, rows)
	return nil
}

// columns takes kubectl's table apart by where its header's names begin, so that it can be set closer: with three spaces
// between columns it is wider than the screen.
func columns(text string) []screen.Row {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var starts []int
	for i := range lines[0] {
		if lines[0][i] != ' ' && (i == 0 || lines[0][i-1] == ' ') {
			starts = append(starts, i)
		}
	}
	rows := make([]screen.Row, len(lines))
	for i, line := range lines {
		for j, start := range starts {
			end := len(line)
			if j+1 < len(starts) {
				end = min(end, starts[j+1])
			}
			rows[i].Cells = append(rows[i].Cells, strings.TrimSpace(line[min(start, end):end]))
		}
	}
	return rows
}
