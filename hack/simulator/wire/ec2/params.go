// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/url"
	"strconv"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// required is a parameter that must be there.
func required(form url.Values, name string) (string, error) {
	v, ok := form[name]
	if !ok || v[0] == "" {
		return "", missing(name)
	}
	return v[0], nil
}

func integer(form url.Values, name string) (int, error) {
	text, err := required(form, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, region.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. It must be an integer.", text, name)
	}
	return n, nil
}

func boolean(form url.Values, name string) (bool, error) {
	text, err := required(form, name)
	if err != nil {
		return false, err
	}
	switch text {
	case "true", "True", "1":
		return true, nil
	case "false", "False", "0":
		return false, nil
	}
	return false, region.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. It must be true or false.", text, name)
}

// checkedID is a required id that has the form of one.
func checkedID(form url.Values, name string, check func(string) error) (string, error) {
	id, err := required(form, name)
	if err != nil {
		return "", err
	}
	return id, check(id)
}
