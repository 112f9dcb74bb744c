// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"net/http"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// AdminPath is where the simulator itself can be asked and told things. No AWS service has such a path.
const AdminPath = "/_simulator/"

// Admin serves AdminPath:
//
//	GET    faults        the faults in force
//	POST   faults        adds one, a faults.Fault, and answers with its id
//	DELETE faults        removes all
//	DELETE faults/{id}   removes one
//	GET    calls         the calls so far
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+AdminPath+"faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.o.Faults.List()) })
	mux.HandleFunc("GET "+AdminPath+"calls", func(w http.ResponseWriter, _ *http.Request) {
		s.RunSchedules()
		reply(w, s.o.Log.All())
	})
	mux.HandleFunc("POST "+AdminPath+"faults", func(w http.ResponseWriter, r *http.Request) {
		var f faults.Fault
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&f)
		if err == nil {
			err = f.Validate()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply(w, map[string]string{"id": s.o.Faults.Put(f)})
	})
	mux.HandleFunc("DELETE "+AdminPath+"faults", func(w http.ResponseWriter, _ *http.Request) {
		s.o.Faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+AdminPath+"faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !s.o.Faults.Remove(r.PathValue("id")) {
			http.Error(w, "there is no fault "+r.PathValue("id"), http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
