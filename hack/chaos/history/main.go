// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// errBroken says that a promise was not kept; what and how was printed.
var errBroken = errors.New("a promise was broken, see above")

// Main runs histories for a while, or those in files, and prints what came of them: make soak.
func Main(ctx context.Context, args []string) error {
	o, files := SoakOptions{Out: os.Stdout}, []string{}
	command := &cobra.Command{
		Use: "soak", Short: "Run random histories and check the product's promises in each", Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) (err error) {
			if o.Plane, err = rig.Start(); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, o.Plane.Close()) }()
			if len(files) > 0 {
				return o.replay(command.Context(), files)
			}
			return o.run(command.Context())
		},
	}
	flags := command.Flags()
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of the first history; 0: a random one")
	flags.DurationVar(&o.Duration, "duration", 0, "for how long new histories are started; 0: until interrupted")
	flags.IntVar(&o.Count, "count", 0, "the most histories to run; 0: any number")
	flags.IntVar(&o.Size, "size", 0, "about how many operations a history has; 0: 25")
	flags.DurationVar(&o.Shrink, "shrink", 0, "how long to search for the shortest history that fails; 0: 5m")
	flags.StringSliceVar(&files, "replay", nil, "files with histories to run instead of random ones")
	command.SetArgs(args)
	return command.ExecuteContext(ctx)
}

func (o SoakOptions) run(ctx context.Context) error {
	if o.Seed == 0 {
		o.Seed = rand.Uint64N(1 << 32)
	}
	sum, err := Soak(ctx, o)
	fmt.Fprintf(o.Out, "%d histories from seed %d: %d operations, %d calls and writes of the manager, %s of waits for a turn, %d failures\n", sum.Histories, o.Seed, sum.Ops, sum.Steps, sum.Waited.Truncate(time.Second), len(sum.Failures))
	if err == nil && len(sum.Failures) > 0 {
		err = errBroken
	}
	return err
}

func (o SoakOptions) replay(ctx context.Context, paths []string) error {
	all := true
	for _, path := range paths {
		kept, err := Replay(ctx, o.Plane, path, o.Out)
		if err != nil {
			return err
		}
		all = all && kept
	}
	if !all {
		return errBroken
	}
	return nil
}
