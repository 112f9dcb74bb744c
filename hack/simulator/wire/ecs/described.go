// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// maxDescribed is how many resources a call describes at most.
const maxDescribed = 100

// describer is how the resources of a cluster of one kind are found and written.
type describer[T, Doc any] struct {
	find  func(v region.View, c region.Cluster, ref string) (T, bool)
	arn   func(v region.View, c region.Cluster, ref string) string
	write func(v region.View, c region.Cluster, t T) Doc
	// member is their name in the answer, empty and tooMany what ECS says of requests without or with too many.
	member, empty, tooMany string
}

// describe answers for each reference with a document, or with a failure where there is no such resource.
func (d describer[T, Doc]) describe(req *operation.Request, cluster string, refs []string) (string, func() (any, error), error) {
	if len(refs) == 0 {
		return "", nil, invalid("%s", d.empty)
	}
	if len(refs) > maxDescribed {
		return "", nil, invalid("%s", d.tooMany)
	}
	return d.arn(req.View(), region.Cluster{Name: cluster}, refs[0]), func() (any, error) {
		v := req.View()
		c, err := v.ActiveCluster(cluster)
		if err != nil {
			return nil, err
		}
		docs, failures := []Doc{}, []failure{}
		for _, ref := range refs {
			t, ok := d.find(v, c, ref)
			if !ok {
				failures = append(failures, failure{ARN: d.arn(v, c, ref), Reason: region.ReasonMissing})
				continue
			}
			docs = append(docs, d.write(v, c, t))
		}
		return map[string]any{d.member: docs, "failures": failures}, nil
	}, nil
}
