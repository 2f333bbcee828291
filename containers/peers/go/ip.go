// Package ip answers as the handler of the same name in plugins/handlers/ip does.
package ip

import (
	"net"
	"net/http"
)

// Handle answers the caller's address.
func Handle(response http.ResponseWriter, request *http.Request) {
	host, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	_, _ = response.Write([]byte(`{"ip": "` + host + `"}`))
}
