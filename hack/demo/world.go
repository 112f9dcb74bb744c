// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

//go:embed world.yaml
var worldYAML []byte

// defaultVPC is the Region that the walk-through and the playground have.
func defaultVPC() (*world.World, error) { return world.Parse(worldYAML) }
