// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// copiers is how many copies are stored at once.
const copiers = 8

// StoreCopies stores copies of an object beside it, named after it with a number, past the API server: thousands in seconds. What it
// stores is what the API server had stored, but for name and UID.
func (p *ControlPlane) StoreCopies(ctx context.Context, original *v1alpha1.AgentDisconnect, n int) error {
	folder := path.Join("/registry", v1alpha1.GroupVersion.Group, "agentdisconnects", original.Namespace)
	var found struct {
		Kvs []struct{ Value []byte }
	}
	if err := p.askEtcd(ctx, "range", map[string]any{"key": []byte(path.Join(folder, original.Name))}, &found); err != nil {
		return err
	}
	if len(found.Kvs) != 1 {
		return fmt.Errorf("etcd has no object %s", client.ObjectKeyFromObject(original))
	}

	group, storing := errgroup.WithContext(ctx)
	group.SetLimit(copiers)
	for i := range n {
		group.Go(func() error {
			stored := map[string]any{}
			if err := json.Unmarshal(found.Kvs[0].Value, &stored); err != nil {
				return err
			}
			metadata, isObject := stored["metadata"].(map[string]any)
			if !isObject {
				return errors.New("etcd has something else than an object")
			}
			name := fmt.Sprintf("%s-%d", original.Name, i)
			metadata["name"], metadata["uid"] = name, uuid.NewUUID()
			value, err := json.Marshal(stored)
			if err != nil {
				return err
			}
			return p.askEtcd(storing, "put", map[string]any{"key": []byte(path.Join(folder, name)), "value": value}, &struct{}{})
		})
	}
	return group.Wait()
}

// askEtcd calls etcd's JSON API.
func (p *ControlPlane) askEtcd(ctx context.Context, method string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.environment.ControlPlane.Etcd.URL.JoinPath("v3", "kv", method).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	err = json.NewDecoder(answer.Body).Decode(output)
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("etcd answered %s", answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}
