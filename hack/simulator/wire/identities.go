// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/http"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// identities are the callers that one account has: those of the world, and the sessions of its roles.
type identities struct {
	mu       sync.Mutex
	byKey    map[string]operation.Identity
	sessions map[string]operation.Session
}

func newIdentities(all []operation.Identity) *identities {
	known := &identities{byKey: map[string]operation.Identity{}, sessions: map[string]operation.Session{}}
	for _, id := range all {
		known.byKey[id.AccessKey] = id
	}
	return known
}

func (i *identities) get(accessKey string) (operation.Identity, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, known := i.byKey[accessKey]
	return id, known
}

// admits reports whether a request brings what a session's access key takes: its token, in time.
func (i *identities) admits(accessKey, token string, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	session, temporary := i.sessions[accessKey]
	return !temporary || session.Token == token && now.Before(session.Expires)
}

// add makes a session an identity of the account.
func (i *identities) add(id operation.Identity, session operation.Session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.byKey[id.AccessKey], i.sessions[id.AccessKey] = id, session
}

// Join has two servers answer for both of their accounts: who calls one of them with an access key of
// the other is answered by that one, and roles can be assumed from one account in the other.
func (s *Server) Join(other *Server) {
	s.others, other.others = append(s.others, other), append(other.others, s)
}

// serverFor is the server of the account that an access key belongs to; this one, if it is of this
// account, or of none.
func (s *Server) serverFor(r *http.Request) *Server {
	sc, _, _ := readScope(r)
	if _, own := s.identities.get(sc.accessKey); own {
		return s
	}
	for _, other := range s.others {
		if _, known := other.identities.get(sc.accessKey); known {
			return other
		}
	}
	return s
}

// AssumeRole makes a session of a role, of this account or of another, if the role's trust policy
// admits the caller. That the caller's own policy allows the call is checked before.
func (s *Server) AssumeRole(caller operation.Identity, ask operation.Assume) (operation.Session, *region.Error) {
	denied := func(action string) *region.Error {
		return region.Errorf("AccessDenied", "User: %s is not authorized to perform: sts:%s on resource: %s", caller.ARN, action, ask.RoleARN)
	}
	for _, of := range append([]*Server{s}, s.others...) {
		role, ok := of.o.Region.Roles().Get(ask.RoleARN)
		if !ok {
			continue
		}
		names := iam.PrincipalsOf(caller.Account, caller.Role, caller.ARN)
		for _, action := range ask.Actions() {
			if role.TrustPolicy.Decide(names, iam.Request{Action: "sts:" + action, Resource: "*", Keys: ask.Keys(action)}) != iam.Allow {
				return operation.Session{}, denied(action)
			}
		}
		return of.newSession(role, ask), nil
	}
	return operation.Session{}, denied("AssumeRole") // as of a role that isn't there
}

func (s *Server) newSession(role region.Role, ask operation.Assume) operation.Session {
	id := operation.SessionOf(role, s.o.Region.Account(), ask.SessionName)
	unique := s.o.Region.NewEventID()
	session := operation.Session{
		Identity: id, AccessKey: "ASIA" + operation.UniqueID(unique)[:16], Secret: "secret of " + unique, Token: "token of " + unique,
		Expires: s.o.SessionClock.Now().Add(ask.Duration).Truncate(time.Second),
	}
	session.Identity.AccessKey = session.AccessKey
	s.identities.add(session.Identity, session)
	return session
}

// expired is the error for a session's access key without its token, or after its end.
func expired(service string) *region.Error {
	switch service {
	case "ec2":
		return region.Errorf("RequestExpired", "Request has expired.")
	case "sts":
		return region.Errorf("ExpiredToken", "The security token included in the request is expired")
	}
	return region.Errorf("ExpiredTokenException", "The security token included in the request is expired")
}
