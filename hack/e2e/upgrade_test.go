// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The version before", func() {
	BeforeEach(func(ctx SpecContext) {
		if set.oldImage == "" {
			Skip("IMG_OLD is not set: there is no version to upgrade from")
		}
		uninstall(ctx)
		release{config: set.oldConfig, image: set.oldImage}.deploy(ctx)
	})

	It("is upgraded in the middle of a run, which goes on", func(ctx SpecContext) {
		during(ctx, func(ctx context.Context) {
			former := names(managers(ctx, Default))
			current().deploy(ctx)
			untilLed(ctx, former...)
		})
	})
})
