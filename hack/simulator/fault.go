// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire"
)

// faultCommand changes the faults of a simulator that runs.
func faultCommand() *cobra.Command {
	var url string
	cmd := &cobra.Command{Use: "fault", Short: "List, add and remove faults on a simulator that runs"}
	cmd.PersistentFlags().StringVar(&url, "url", os.Getenv("AWS_ENDPOINT_URL"), "the simulator; unset: AWS_ENDPOINT_URL")

	add := &cobra.Command{
		Use: "add FAULT...", Short: "Add faults and print their ids", Args: cobra.MinimumNArgs(1),
		Long: "Add faults and print their ids. A fault is\n\n" + faults.Syntax,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, text := range args {
				f, err := faults.Parse(text)
				if err != nil {
					return err
				}
				var added struct {
					ID string `json:"id"`
				}
				if err := admin(cmd.Context(), url, http.MethodPost, "faults", f, &added); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), added.ID)
			}
			return nil
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the faults in force", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []faults.Fault
			if err := admin(cmd.Context(), url, http.MethodGet, "faults", nil, &all); err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tFAULT")
			for _, f := range all {
				fmt.Fprintf(w, "%s\t%s\n", f.ID, f)
			}
			return w.Flush()
		},
	}
	remove := &cobra.Command{
		Use: "remove ID...", Short: "Remove faults", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, id := range args {
				if err := admin(cmd.Context(), url, http.MethodDelete, "faults/"+id, nil, nil); err != nil {
					return err
				}
			}
			return nil
		},
	}
	clearAll := &cobra.Command{
		Use: "clear", Short: "Remove all faults", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return admin(cmd.Context(), url, http.MethodDelete, "faults", nil, nil)
		},
	}
	cmd.AddCommand(add, list, remove, clearAll)
	return cmd
}

// admin calls the simulator's own API.
func admin(ctx context.Context, url, method, path string, in, out any) error {
	if url == "" {
		return fmt.Errorf("which simulator? Give --url or set AWS_ENDPOINT_URL to what it printed")
	}
	body := &bytes.Buffer{}
	if in != nil {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(url, "/")+wire.AdminPath+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no simulator answers at %s: %w", url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // the status says enough without it
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
